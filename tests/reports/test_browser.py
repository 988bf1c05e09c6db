"""The page in a real browser: on a wide screen, on a phone, dark and printed."""

import pytest

from spacy_distill.reports import write_report

pytest.importorskip("matplotlib", reason="the report extra is not installed")

# Elements that stick out of the window, but for those within a box that scrolls, and boxes that
# hide a part of their text.
STICKING_OUT = """() => [...document.body.querySelectorAll("*")].filter(element => {
    const box = element.getBoundingClientRect();
    const scrolls = element.closest(".scroll");
    return box.width && !(scrolls && scrolls !== element)
        && (box.left < -0.5 || box.right > innerWidth + 0.5);
}).map(element => element.outerHTML.slice(0, 200))"""
CLIPPED = """() => [...document.body.querySelectorAll("*")].filter(element => {
    const style = getComputedStyle(element);
    const hides = style.overflowX === "hidden" || style.overflowX === "clip"
        || style.textOverflow === "ellipsis";
    return hides && element.scrollWidth > element.clientWidth + 1;
}).map(element => element.outerHTML.slice(0, 200))"""
# Text over the edge of the box it is in, such as a long word in a narrow cell.
SPILLED = """() => {
    const spilled = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const range = document.createRange();
        range.selectNodeContents(walker.currentNode);
        const boxes = "td, th, dd, dt, p, li, h1, h2, h3, .entities";
        const parent = walker.currentNode.parentElement.closest(boxes);
        if (!parent || !walker.currentNode.textContent.trim()) continue;
        const inner = range.getBoundingClientRect(), outer = parent.getBoundingClientRect();
        if (inner.right > outer.right + 1 || inner.left < outer.left - 1)
            spilled.push(walker.currentNode.textContent.slice(0, 100));
    }
    return spilled;
}"""
STUDENT = "() => getComputedStyle(document.querySelector('.shape.student')).color"
PICTURES = "() => [...document.images].map(image => image.naturalWidth)"
WIDTHS = "() => [document.scrollingElement.scrollWidth, innerWidth]"


@pytest.fixture(scope="module", params=["nasty", "plain"])
def page_file(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    return write_report(request.getfixturevalue(request.param), folder)


@pytest.fixture
def opened(browser, page_file):
    """Open the page in a window, and record its requests and errors."""
    contexts = []

    def open_page(width, **options):
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        requests, complaints = [], []
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(page_file.as_uri())
        page.wait_for_load_state("networkidle")
        asked = [url for url in requests if not url.startswith("data:")]
        assert asked == [page_file.as_uri()]
        assert complaints == []
        return page

    yield open_page
    for context in contexts:
        context.close()


def require_fit(page):
    width, window = page.evaluate(WIDTHS)
    assert width <= window
    for script in (STICKING_OUT, CLIPPED, SPILLED):
        assert page.evaluate(script) == []
    widths = page.evaluate(PICTURES)
    assert widths and all(widths)


@pytest.mark.parametrize("width", [1280, 768, 360])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_fits(opened, width, scheme, tmp_path):
    page = opened(width, color_scheme=scheme)
    require_fit(page)
    assert page.title().startswith("Student report")
    shot = tmp_path / f"{width}-{scheme}.png"
    page.screenshot(path=shot, full_page=True)
    assert shot.stat().st_size > 10_000
    phone = page.evaluate("() => document.images[0].currentSrc")
    narrow = page.evaluate("() => document.querySelector('source').srcset")
    assert (phone == narrow) == (width < 640)


def test_a_dark_page_is_dark_and_can_be_read(opened):
    page = opened(1280, color_scheme="dark")
    style = "() => getComputedStyle(document.body)"
    background, ink = (
        page.evaluate(f"({style})().{name}") for name in ("backgroundColor", "color")
    )
    assert background == "rgb(22, 25, 28)" and ink == "rgb(230, 232, 234)"
    assert page.evaluate(STUDENT) == "rgb(127, 184, 236)"
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate(STUDENT) == "rgb(11, 95, 165)"


def test_it_can_be_printed(opened, tmp_path):
    # An A4 page less its margins, in a browser's pixels.
    page = opened(680)
    page.emulate_media(media="print")
    require_fit(page)
    page.pdf(path=tmp_path / "report.pdf", format="A4")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_a_page_that_does_not_fit_is_noticed(opened):
    """This shows that the tests above can fail."""
    page = opened(360)
    page.evaluate(
        "() => document.body.insertAdjacentHTML('beforeend', '<div style=\"width:500px\">x</div>')"
    )
    assert page.evaluate(STICKING_OUT)
    page.evaluate(
        "() => document.body.insertAdjacentHTML('beforeend', "
        "'<p style=\"width:50px;white-space:nowrap\">much too long for it</p>')"
    )
    assert page.evaluate(SPILLED) == ["much too long for it"]
