"""Every audit answers for every network, and for one that no class or name could have been foreseen for."""

import json
from pathlib import Path

import pytest

import minifcn as mf
from minifcn import functional as F
from minifcn import nn
from minifcn.audit import AUDITS, Overview, Report, Subject, ask, published_options, receptive_field_report
from minifcn.models import REGISTRY


class Odd(nn.Module):
    """Strides of 3 and 2 one after the other, a dilated path beside them, and a skip that has to be cropped."""

    def __init__(self) -> None:
        self.dilated = nn.Conv2d(2, 4, 3, dilation=2)
        self.stem = nn.Conv2d(2, 4, 5, stride=3)
        self.pool = nn.MaxPool2d(2)
        self.middle = nn.Conv2d(4, 4, 3, padding=1, activation="relu")
        self.up = nn.ConvTranspose2d(4, 4, 6, stride=6)
        self.head = nn.Conv2d(8, 3, 1)

    def forward(self, x: mf.Tensor) -> mf.Tensor:
        deep = self.up(self.middle(self.pool(self.stem(x))))
        skip = F.relu(self.dilated(x))
        top, left = ((skip.shape[axis] - deep.shape[axis]) // 2 for axis in (1, 2))
        skip = skip[:, top : top + deep.shape[1], left : left + deep.shape[2]]
        return self.head(F.concatenate([skip, deep], axis=3))


@pytest.mark.parametrize("name", list(REGISTRY))
def test_every_network_is_answered(name: str) -> None:
    network = REGISTRY[name]
    subject = Subject(network(**{**published_options(network), **network.narrow}), name)
    answers = {audit: ask(subject, audit) for audit in AUDITS}
    assert [str(answer) for answer in answers.values() if not isinstance(answer, Report)] == []
    overview = Overview({name: answers})
    assert not overview.notes()
    json.loads(overview.to_json())


def test_a_network_of_ones_own_is_answered(tmp_path: Path) -> None:
    mf.manual_seed(0)
    answers = {audit: ask(Odd(), audit) for audit in AUDITS}
    assert [str(answer) for answer in answers.values() if not isinstance(answer, Report)] == []
    briefs = {audit: answer.brief() for audit, answer in answers.items() if isinstance(answer, Report)}
    # The pool's windows are 3 + 5 = 8 rows, 6 apart; three of them are 20, of which each makes six output rows.
    assert briefs["receptive-field"] == "20, stride 6"
    assert briefs["equivariance"] == "shifts in 6 Z²"
    assert briefs["params"] == f"{sum(parameter.size for parameter in Odd().parameters()):,}"
    overview = Overview({"odd": answers})
    text, picture = overview.save(tmp_path)
    assert json.loads(text.read_text())["networks"]["odd"]["equivariance"]
    assert picture.stat().st_size > 10_000
    assert "20, stride 6" in str(overview.table())


def test_what_cannot_be_answered_says_why() -> None:
    class Classifier(nn.Module):
        def __init__(self) -> None:
            self.conv, self.flatten, self.linear = nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 6 * 6, 5)

        def forward(self, x: mf.Tensor) -> mf.Tensor:
            return self.linear(self.flatten(self.conv(x)))

    overview = Overview({"classifier": {audit: ask(Classifier(), audit) for audit in ("params", "equivariance")}})
    assert "of which 1 could not be made" in overview.headline()
    assert overview.table().rows == [("classifier", str(10 * 2 + (2 * 6 * 6 + 1) * 5), "–")]
    assert len(overview.notes()) == 1


def test_the_figure_says_where_there_is_no_answer():
    class Scaled(nn.Conv2d):
        def forward(self, x):
            y = super().forward(x)
            return y * y.mean(axis=(1, 2), keepdims=True)

    whole = receptive_field_report(Scaled(1, 1, 3), size=16, check=False)
    left, right = Overview({"whole": {"receptive-field": whole}, "none": {}}).figure().axes
    assert [text.get_text() for text in left.texts] == ["whole image", "no answer"]
    assert [text.get_text() for text in right.texts] == ["no answer", "no answer"]
    assert left.get_xlabel() == "root of the area (pixels)"
