"""Students of languages without spaces, and of those that are written from the right."""

import io

import pytest
import spacy
from spacy import displacy
from spacy.scorer import get_ner_prf
from spacy.tokens import DocBin
from spacy.training import Example

from spacy_distill import distill
from spacy_distill.evaluation import speed

SHORT = {
    "distillation.max_steps": 60,
    "distillation.batcher.size": 300,
    "distillation.dropout": 0.0,
    "distillation.optimizer.learn_rate.initial_rate": 0.02,
    "distillation.optimizer.learn_rate.warmup_steps": 5,
    "distillation.optimizer.use_averages": False,
    "training.eval_frequency": 60,
    "components.ner_student.model.encode.width": 32,
}
# Tokenizers that are packages of their own.
TOKENIZERS = {"ja": ("sudachipy", "sudachidict_core")}
# Of each language: people and places, with their labels, and sentences.
CHINESE = (
    {"人名": ["王小明", "李娜", "陈大文"], "地名": ["北京", "上海", "乌鲁木齐", "南京"]},
    ["{}昨天坐火车去{}。", "{1}的天气很好、{0}很高兴。", "我在{1}见过{0}两次。"],
)
JAPANESE = (
    {"人名": ["山田太郎", "佐藤花子", "鈴木一郎"], "地名": ["大阪", "東京", "札幌", "名古屋"]},
    [
        "{}さんは昨日{}へ行きました。",
        "{1}の天気は良く、{0}さんは喜んだ。",
        "{1}で{0}さんに二度会った。",
    ],
)
ARABIC = (
    {"شخص": ["ليلى حداد", "سامي", "نور"], "مكان": ["القاهرة", "بيروت", "تونس", "عمّان"]},
    ["سافر {} إلى {} أمس.", "في {1} انتظر {0} طويلاً.", "قال {0} إن {1} جميلة."],
)
HEBREW = (
    {"אדם": ["דנה לוי", "יואב", "נועה"], "מקום": ["תל אביב", "חיפה", "ירושלים", "עכו"]},
    ["{} נסעה אל {} אתמול.", "בתוך {1} חיכתה {0}.", 'לדברי {0}, {1} היא "יפה".'],
)
LANGUAGES = {"zh": CHINESE, "ja": JAPANESE, "ar": ARABIC, "he": HEBREW}


@pytest.fixture(scope="module", params=LANGUAGES)
def distilled(request, tmp_path_factory):
    """A teacher of rules in each language, its student, and texts."""
    lang = request.param
    for package in TOKENIZERS.get(lang, ()):
        pytest.importorskip(package, reason=f"the tokenizer of {lang} is not installed")
    names, frames = LANGUAGES[lang]
    folder = tmp_path_factory.mktemp(lang)
    teacher = spacy.blank(lang)
    ruler = teacher.add_pipe("entity_ruler")
    ruler.add_patterns(
        [{"label": k, "pattern": name} for k, found in names.items() for name in found]
    )
    people, places = names.values()
    texts = [frame.format(a, b) for frame in frames for a in people for b in places]
    (folder / "texts.txt").write_text("\n".join(texts), encoding="utf8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "LEAST_SECONDS", 0.0)
        streams = {"stdout": io.StringIO(), "stderr": io.StringIO()}
        text, output = str(folder / "texts.txt"), folder / "trained"
        distill(teacher, None, output, text=text, overrides=SHORT, **streams)
    return teacher, spacy.load(folder / "trained" / "student"), texts


def test_a_student_finds_what_its_teacher_finds(distilled):
    teacher, student, texts = distilled
    assert student.lang == teacher.lang
    pairs = zip(student.pipe(texts), teacher.pipe(texts), strict=True)
    assert get_ner_prf([Example(*pair) for pair in pairs])["ents_f"] > 0.95
    if student.lang == "zh":
        doc = student(texts[0])
        assert len(doc) == len(texts[0]) and [ent.text for ent in doc.ents] == ["王小明", "北京"]


def test_entities_survive_files_and_characters(distilled, tmp_path):
    _, student, texts = distilled
    docs = list(student.pipe(texts))
    DocBin(docs=docs).to_disk(tmp_path / "docs.spacy")
    again = DocBin().from_disk(tmp_path / "docs.spacy").get_docs(student.vocab)
    for doc, other, text in zip(docs, again, texts, strict=True):
        assert [(ent.text, ent.label_) for ent in other.ents] == [
            (e.text, e.label_) for e in doc.ents
        ]
        for ent in doc.ents:
            assert text[ent.start_char : ent.end_char] == ent.text


def test_displacy_writes_the_direction_of_the_script(distilled):
    _, student, texts = distilled
    html = displacy.render(student(texts[0]), style="ent", jupyter=False)
    assert ("direction: rtl" in html) == (student.lang in ("ar", "he"))
