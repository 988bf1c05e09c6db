"""Each message of the package has a code, and docs/errors.md says what is behind it. Read off the
source, so that neither can be forgotten."""

import re

import pytest
from errors import (
    CODE,
    PAGE,
    coded_messages,
    make_page,
    messages_in,
    messages_in_cython,
    package_messages,
    read_page,
    with_gaps,
)

TEXT = PAGE.read_text(encoding="utf8")
# What needs no code, and why.
WITHOUT_CODE = {
    "module '{}' has no attribute '{}'": "Python's own words for a name that is not there",
}


def test_every_message_has_a_code():
    bare = {with_gaps(message) for message in package_messages() if not CODE.match(message)}
    assert bare == set(WITHOUT_CODE)


def test_a_code_stands_for_one_message():
    codes = [code for code, _ in coded_messages()]
    assert sorted(codes) == sorted(set(codes))


def test_the_page_is_what_the_command_writes():
    """If it is not: `python docs/extensions/errors.py`."""
    assert make_page(TEXT, coded_messages()) == TEXT


def test_codes_are_under_their_groups():
    for group in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        codes = re.findall(r"^### (\w+)$", group, flags=re.MULTILINE)
        assert codes and {code[:2] for code in codes} == {group[:2]}


def test_the_page_says_more_than_the_message():
    entries = read_page(TEXT).entries
    assert not [code for code, entry in entries.items() if len(entry.advice.split()) < 10]


def test_the_page_names_no_code_that_is_not_there():
    assert set(re.findall(r"\bD\d{3}\b", TEXT)) <= {code for code, _ in coded_messages()}


PARTS = """# Errors

What they are.

| group | codes |
| --- | --- |
| [D1xx Names](#d1xx-names) | [D102](#d102) [D103](#d103) |

## D1xx Names

About names.

### D102

> There is no {long name} '{other}'.

Look [here](#d103):

- a list

### D103

> It was taken away.

Nobody knows why.
"""


def test_advice_and_names_of_gaps_stay_and_codes_follow_the_source():
    # New, changed in its name only, and gone; a long message is wrapped.
    messages = [("D102", "There is no {x} '{y}'."), ("D101", f"New {{name}}{' word' * 30}.")]
    made = make_page(PARTS, messages)
    assert "| [D1xx Names](#d1xx-names) | [D101](#d101) [D102](#d102) |" in made
    assert "> There is no {long name} '{other}'.\n\nLook [here](#d103):\n\n- a list\n" in made
    assert "### D103" not in made and "About names.\n\n### D101\n\n> New {name} word" in made
    assert max(map(len, made.splitlines())) <= 100 and "\n> word" in made
    assert make_page(made, messages) == made
    changed = make_page(PARTS, [("D102", "There was no {x}."), ("D103", "It was taken away.")])
    assert "> There was no {x}.\n\nLook [here]" in changed
    with pytest.raises(ValueError, match="no group of D201"):
        make_page(PARTS, [("D201", "Other.")])


@pytest.mark.parametrize(
    "source, messages",
    [
        ("raise ValueError('no code')", ["no code"]),
        ("raise ValueError", [""]),
        ("raise ValueError()", [""]),
        ("class Own(KeyError): pass\nraise Own(f'{x} is [D101] late')", ["{x} is [D101] late"]),
        ("def wrong():\n  return imported.OwnError(f'[D1] {x}')", ["[D1] {x}"]),
        ("warnings.warn('no code', stacklevel=2)", ["no code"]),
        ("text = 'no code'\nmsg.fail(text, error, exits=1)", ["no code: {error}"]),
        ("msg.fail(' '.join(str(error).split()), exits=1)", []),
        (
            "raise ValueError(f'{len(self.long_names)!r:.9} {a[0]} {1 + 1}')",
            ["{long names} {a} {value}"],
        ),
        ("raise typer.Exit(130) from None", []),
        ("try: pass\nexcept OSError as error: raise", []),
    ],
)
def test_messages_are_found_in_every_form(source, messages):
    assert list(messages_in(source)) == messages


def test_messages_are_found_in_cython():
    source = 'raise MemoryError()\nraise ValueError(f"no {code}")\nraise ValueError()'
    assert list(messages_in_cython(source)) == ["no {value}", ""]
