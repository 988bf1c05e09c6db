"""Example teachers of the kinds that the project does not train itself, for `annotation.py`:

python -m benchmarks.teachers.examples corpus/train.spacy benchmarks/runs/example-teachers \\
    --transformer assets/pretrained/minilm --ner en_core_web_sm

"hugging_face" is the transformer, fine-tuned with `transformers` alone on the labeled documents;
"rules" an entity ruler with their entities; "beam" the model of a pipeline's `ner`, read with a
beam.
"""

from pathlib import Path
from typing import Annotated, Any, Dict, List

import spacy
import torch
import typer
from spacy.tokens import Doc, DocBin
from spacy.training import Example, biluo_to_iob, offsets_to_biluo_tags
from transformers import AutoModelForTokenClassification, AutoTokenizer
from wasabi import msg

IGNORED = -100  # of torch's cross-entropy


def iob_tags(doc: Doc) -> List[str]:
    """Write the entities of a document as IOB2 tags."""
    entities = [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]
    return biluo_to_iob(offsets_to_biluo_tags(doc, entities))


def fine_tune(docs: List[Doc], transformer: str, output: Path, steps: int) -> None:
    """Train a transformer to classify the first wordpiece of each token, as Devlin et al. 2019."""
    torch.manual_seed(0)
    names = ["O", *sorted({tag for doc in docs for tag in iob_tags(doc)} - {"O"})]
    numbers: Dict[str, int] = {name: number for number, name in enumerate(names)}
    tokenizer = AutoTokenizer.from_pretrained(transformer)
    model = AutoModelForTokenClassification.from_pretrained(
        transformer, id2label=dict(enumerate(names)), label2id=numbers
    )
    parameters = model.parameters()
    optimizer = torch.optim.AdamW(parameters, lr=1e-4)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)
    order = torch.cat([torch.randperm(len(docs)) for _ in range(16 * steps // len(docs) + 1)])
    model.train()
    for step in range(steps):
        batch = [docs[number] for number in order[16 * step : 16 * (step + 1)].tolist()]
        words = [[token.text for token in doc] for doc in batch]
        inputs = tokenizer(
            words, is_split_into_words=True, padding=True, truncation=True, return_tensors="pt"
        )
        targets = torch.full(inputs["input_ids"].shape, IGNORED)
        for row, doc in enumerate(batch):
            tags = iob_tags(doc)
            before = None
            for column, word in enumerate(inputs.word_ids(row)):
                if word is not None and word != before:
                    targets[row, column] = numbers[tags[word]]
                before = word
        loss = model(**inputs, labels=targets).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        falling.step()
        optimizer.zero_grad()
    msg.info(f"Loss of the last step: {loss.item():.3f}")
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)


def write_rules(docs: List[Doc], output: Path) -> None:
    """Write an entity ruler that knows the entities of the documents."""
    nlp = spacy.blank("en")
    found = sorted({(ent.label_, ent.text) for doc in docs for ent in doc.ents})
    ruler: Any = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": label, "pattern": text} for label, text in found])
    nlp.to_disk(output)


def write_beam(name: str, output: Path, width: int) -> None:
    """Write the `ner` of a pipeline as `beam_ner`."""
    source = spacy.load(name)
    pipe: Any = source.get_pipe("ner")
    config = {"model": source.config["components"]["ner"]["model"], "beam_width": width}
    nlp = spacy.blank(source.meta["lang"])
    beam: Any = nlp.add_pipe("beam_ner", config=config)
    empty = Example.from_dict(nlp.make_doc("Oslo"), {"entities": []})
    beam.initialize(lambda: [empty], nlp=nlp, labels=pipe.label_data)
    beam.model.from_bytes(pipe.model.to_bytes())
    nlp.to_disk(output)


def main(
    labeled: Annotated[Path, typer.Argument(help="Labeled documents, .spacy")],
    output: Annotated[Path, typer.Argument(help="Folder of the teachers")],
    transformer: Annotated[str, typer.Option(help="A transformer, as transformers names it")],
    ner: Annotated[str, typer.Option(help="A pipeline with `ner`, by name or folder")],
    steps: Annotated[int, typer.Option(help="Number of training batches of 16 documents")] = 150,
    width: Annotated[int, typer.Option(help="Width of the beam")] = 16,
) -> None:
    """Write the teachers."""
    docs = list(DocBin().from_disk(labeled).get_docs(spacy.blank("en").vocab))
    output.mkdir(parents=True, exist_ok=True)
    write_rules(docs, output / "rules")
    write_beam(ner, output / "beam", width)
    fine_tune(docs, transformer, output / "hugging_face", steps)
    msg.good(f"Wrote rules, beam and hugging_face to {output}")


if __name__ == "__main__":
    typer.run(main)
