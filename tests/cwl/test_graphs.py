"""Graphs are drawn by others: nothing that a label holds means anything there."""

from weyl.cwl.graphs import as_dot, as_mermaid, with_states

GRAPH = {
    "nodes": [
        {"id": "inputs/x", "label": 'a "quoted" \\ <script>\n', "kind": "input", "detail": "int"},
        {"id": "say", "label": "say]; end", "kind": "step", "detail": ""},
        {"id": "outputs/y", "label": "y", "kind": "output", "detail": ""},
    ],
    "edges": [{"from": "inputs/x", "to": "say", "label": "x|y"}, {"from": "say", "to": "outputs/y", "label": ""}],
}


def test_dot_has_every_name_in_quotes() -> None:
    assert as_dot(GRAPH).splitlines() == [
        "digraph workflow {",
        "  rankdir=TB;",
        r'  "inputs/x" [label="a \"quoted\" \\ <script> ", shape=oval];',
        '  "say" [label="say]; end", shape=box];',
        '  "outputs/y" [label="y", shape=oval];',
        '  "inputs/x" -> "say" [label="x|y"];',
        '  "say" -> "outputs/y";',
        "}",
    ]


def test_mermaid_has_numbers_for_what_could_mean_something() -> None:
    text = as_mermaid(GRAPH)
    assert '  n0(["a #34;quoted#34; #92; #60;script#62; "])' in text
    assert '  n1["say#93;#59; end"]' in text
    assert '  n0 -->|"x#124;y"| n1' in text
    assert "  n1 --> n2" in text


def test_steps_have_their_states_and_nothing_else_has() -> None:
    steps = '{"say": {"state": "completed", "done": 3, "of": 3, "x": 1}, "outputs/y": {"state": "failed"}, "z": 1}'
    nodes = with_states(GRAPH, steps)["nodes"]
    assert [node.get("state") for node in nodes] == [None, "completed", None]
    assert nodes[1] == {**GRAPH["nodes"][1], "state": "completed", "done": 3, "of": 3}


def test_what_is_no_progress_is_passed_by() -> None:
    for steps in (
        None,
        "",
        "{",
        "[1]",
        '{"say": {"state": "on fire"}}',
        '{"say": {"state": []}}',
        '{"say": "running"}',
    ):
        assert with_states(GRAPH, steps) == GRAPH
