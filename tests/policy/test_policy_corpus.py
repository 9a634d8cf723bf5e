"""The answers captured from the field's own control plane, where the folder that holds them is beside the checkout."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from policy import check_described

CORPUS = Path(__file__).parents[3] / "shared" / "policy-corpus"
CASES = sorted((CORPUS / "cases").glob("*.json"))


def the_judge() -> ModuleType:
    spec = importlib.util.spec_from_file_location("policy_corpus_judge", CORPUS / "judge.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not CASES, reason="no folder shared/policy-corpus beside the checkout: its captures go unchecked")
def test_every_captured_answer_is_ours_too():
    judge = the_judge()
    wrong = {}
    for path in CASES:
        case = json.loads(path.read_text())
        departures = judge.judge(case, check_described(case["policy"], case["network"]))
        if departures:
            wrong[case["id"]] = departures
    assert not wrong
