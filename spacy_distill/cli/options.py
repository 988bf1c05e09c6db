"""Arguments and options that several commands share. They have the same name, letter and meaning in
each command."""

from pathlib import Path
from typing import Annotated, Optional

from spacy.cli._util import Arg, Opt

Student = Annotated[str, Arg(help="Trained pipeline with a ner_student: package or folder")]
Corpus = Annotated[Path, Arg(help="Labeled documents: .spacy file", exists=True)]

Output = Annotated[Path, Opt("--output", "-o", help="Folder to write the result to")]
OutputPath = Annotated[
    str, Opt("--output", "-o", help="Folder to write the result to: a path, or a URL such as s3://")
]
Force = Annotated[bool, Opt("--force", "-F", help="Replace an earlier result")]
Verbose = Annotated[
    bool,
    Opt("--verbose", "-V", "-VV", help="Show tracebacks of errors and more log messages"),
]
CodePath = Annotated[
    Optional[Path],
    Opt("--code", "-c", help="Python file with registered functions that the pipeline needs"),
]
UseGpu = Annotated[int, Opt("--gpu-id", "-g", help="GPU ID or -1 for CPU")]

MaxErrors = Annotated[
    int,
    Opt(
        "--max-errors",
        min=0,
        help="Maximum number of documents to leave out because of errors",
    ),
]
Component = Annotated[
    Optional[str],
    Opt("--component", help="ner_student or ner_teacher  [default: the only one of the pipeline]"),
]
GoldSpansKey = Annotated[
    Optional[str],
    Opt("--gold-spans-key", help="Key of doc.spans to read as gold entities instead of doc.ents"),
]
TestSet = Annotated[
    str, Opt("--data", help="Description of the test set  [default: the file's name]")
]

# Text
BatchSize = Annotated[int, Opt("--batch-size", "-b", min=1, help="Number of documents in a batch")]
NProcess = Annotated[
    int, Opt("--n-process", "-n", help="Number of processes, each of which loads the pipeline")
]
Executor = Annotated[
    str, Opt(help="What runs the job: local (processes of this machine) or ray (a cluster)")
]
Address = Annotated[
    Optional[str],
    Opt(help="Address of the Ray cluster  [default: the one that runs here, or a new one]"),
]
Workers = Annotated[
    Optional[int],
    Opt("--workers", min=1, help="Number of workers of Ray  [default: one for each processor]"),
]
ShardSize = Annotated[int, Opt("--shard-size", help="Number of characters in a shard")]
Lang = Annotated[
    Optional[str], Opt("--lang", "-l", help="Language of the tokenizer  [default: the teacher's]")
]
Limit = Annotated[int, Opt("--limit", min=0, help="Maximum number of documents; 0 for all")]
TextField = Annotated[str, Opt("--text-field", help="Column of the text in tables and JSON")]
Split = Annotated[str, Opt("--split", help="Split of a data set on the Hugging Face hub")]
Quoting = Annotated[
    Optional[str],
    Opt(
        "--quoting",
        help="Quotes around the fields of .csv and .tsv files: none or double  "
        "[default: double for .csv, none for .tsv]",
    ),
]
TEXT_HELP = (
    "Text: .spacy, .jsonl, .txt, .csv, .tsv or .parquet, also compressed; a folder or a glob of "
    "these, or a URL such as s3://; - for standard input; or a data set on the Hugging Face hub, "
    "hf:OWNER/NAME:CONFIGURATION"
)
TEACHER_HELP = (
    "Teacher: a pipeline (package or folder) or a Hugging Face token classifier (folder or "
    "hf:OWNER/NAME); several separated by commas, whose average teaches"
)
