"""The tables of the project's report on the pages."""

from benchmarks.commands import ROOT, read_json, write_json
from benchmarks.project import compression_table, main


def a_system(role, f1, parameters, megabytes, rate):
    scores = {"f1": {"value": f1}}
    return {
        "role": role,
        "parameters": parameters,
        "megabytes": megabytes,
        "scores": scores,
        "per_label": {"PER": scores},
        "words_per_second": rate,
    }


def test_sizes_are_compared_with_the_teachers():
    systems = [
        a_system("student", 0.8, 2e6, 10.0, 5000.0),
        a_system("teacher", 0.9, 1e8, 400.0, 50),
    ]
    rows = compression_table(systems).splitlines()[2:]
    assert rows[0].startswith("| teacher | 90.0 | 100.00 M |")
    assert rows[1] == "| student | 80.0 | 2.00 M | 10.0 | 5,000 | 50 | 40 | 100 |"


def test_a_new_report_replaces_the_figures(tmp_path):
    report = read_json(ROOT / "docs" / "project.json")
    for system in report["systems"]:
        system["words_per_second"] = 1000.0
    (tmp_path / "page.md").write_text(
        "<!-- project: benchmarks.project -->\n<!-- end of project -->", encoding="utf8"
    )
    path = tmp_path / "report.json"
    write_json(path, report)
    main([tmp_path / "page.md"], path, tmp_path / "figures.json")
    assert (tmp_path / "page.md").read_text(encoding="utf8").count("| 1,000 |") == 3
    assert read_json(tmp_path / "figures.json") == report
