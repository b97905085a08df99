"""Memory: the forecast beside what is counted, the largest image that fits, and what the report says."""

import json
import sys

import pytest

import minifcn as mf
from minifcn import functional as F
from minifcn import nn
from minifcn.audit.costs.largest import Search, available_memory, largest_side
from minifcn.audit.costs.memory import KINDS, follow, in_words, memory, predicting
from minifcn.audit.costs.rehearsal import rehearse
from minifcn.audit.subject import Subject
from minifcn.models import REGISTRY, UNet


def narrow(name, **options):
    network = REGISTRY[name]
    return network(in_channels=1, classes=2, **{**network.narrow, **options})


def unet(**options):
    return UNet(1, 2, **{"base": 2, "padding": "same", **options})


class Classifier(nn.Module):
    """An image -> a vector; a network of somebody's own."""

    def __init__(self):
        self.conv, self.head = nn.Conv2d(1, 8, 3, padding=1), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(F.mean(self.conv(x), (1, 2)))


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_forecast_is_what_is_counted(name):
    network = narrow(name)
    size = None if "ciresan" in name else Subject(network).legal_size(190)
    report = memory(network, size, batch=2, budget=2**24)
    for stage in report.stages:
        if stage.measured:  # windows of Ciresan's are too small to be counted
            assert stage.error == pytest.approx(0.0, abs=0.01), (stage.name, stage.counted, stage.measured)
    assert report.stages[-1].measured


@pytest.mark.parametrize(
    "options",
    [{"norm": "batch"}, {"dropout": 0.3}, {"coordinates": True}, {"base": 8, "depth": 2}, {"padding": "valid"}],
    ids=str,
)
def test_forecast_of_variants(options):
    for stage in memory(unet(**options), size=204 if "padding" in options else 128, budget=2**24).stages:
        assert stage.error == pytest.approx(0.0, abs=0.01), (stage.name, stage.counted, stage.measured)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_forecast_of_optimisers(optimizer):
    network = nn.Conv2d(64, 128, 5)
    (stage,) = memory(Subject(network), size=12, training=True, budget=2**24, optimizer=optimizer).stages
    assert stage.error == pytest.approx(0.0, abs=0.01)
    assert stage.timeline[0, 1] == sum(p.data.nbytes for p in network.parameters()) * (1 if optimizer == "sgd" else 2)


def test_any_module_is_audited():
    report = memory(Classifier(), size=150, budget=2**30)
    assert [stage.error for stage in report.stages] == pytest.approx([0.0, 0.0], abs=0.01)


def test_measuring_changes_nothing():
    network = unet(norm="batch", dropout=0.5).eval()
    before = network.state_dict()
    memory(network, size=64, budget=2**24)
    assert all((before[name] == array).all() for name, array in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not network.training


def test_timeline_ends_with_what_stays():
    network = unet()
    rehearsal = rehearse(network, (32, 32), training=True, optimizer="adamw")
    own = sum(parameter.data.nbytes for parameter in network.parameters())
    timeline, _ = follow(rehearsal, own)
    last = dict(zip(KINDS, timeline[-1], strict=True))
    assert timeline.shape == (len(rehearsal.calls) + 1, len(KINDS))
    assert last["parameters"] == last["gradients"] == own
    assert last["optimizer"] == 2 * own
    assert last["kept"] < timeline[:, list(KINDS).index("kept")].max() / 10
    assert (timeline >= 0).all()


def test_layers_keep_what_the_walk_back_reads():
    network = nn.Sequential(nn.Conv2d(1, 4, 1), nn.Conv2d(4, 8, 1), nn.Conv2d(8, 2, 1))
    (stage,) = memory(network, size=100, training=True, measure=False, budget=2**30).stages
    maps = 100 * 100 * 4  # bytes of a channel
    assert stage.kept["0"] == 4 * maps
    assert stage.kept["1"] == 8 * maps
    assert stage.kept["2"] == 2 * maps  # the logits, for the loss


@pytest.mark.parametrize("stage", ["training", "inference"])
def test_largest_image_fits_and_the_next_does_not(stage):
    network, budget, training = unet(), 2**27, stage == "training"
    (found,) = memory(network, size=16, training=training, measure=False, budget=budget).stages
    subject = Subject(network) if training else predicting(Subject(network))
    own = found.timeline[0, 0]
    held = [
        own + rehearse(subject, (n, n), training, optimizer="adamw").held for n in (found.largest, found.largest + 16)
    ]
    assert held[0] <= budget < held[1]


def test_largest_of_strange_sizes():
    assert largest_side(lambda side: None, 10**9) is None
    assert largest_side(lambda side: side**2 if side == 95 else None, 10**9) == 95
    assert largest_side(lambda side: side**2 if side == 95 else None, 10) is None
    assert largest_side(lambda side: side, 10**9) == 2**16
    assert largest_side(lambda side: side, 1000) == 1000


def test_a_window_classifier_trains_on_windows_and_predicts_images():
    report = memory(narrow("ciresan-n3"), measure=False, budget=2**28)
    training, inference = report.stages
    assert training.images[1] == training.largest == 65
    assert inference.images[1] == 512
    report = memory(narrow("ciresan-n3"), size=100, measure=False, budget=2**28)
    assert [stage.name for stage in report.stages] == ["inference"]
    assert report.remarks == ("No training on images of 100 x 100: ciresan-n3 does not take them there.",)


def test_what_does_not_fit_is_not_measured(monkeypatch):
    monkeypatch.setattr(sys.modules[memory.__module__], "available_memory", lambda: 2**20)
    report = memory(unet(), size=256, training=True)
    assert report.stages[0].measured is None
    assert report.budget == 2**20
    assert report.remarks[0].startswith("Not measured: training needs ")
    assert report.remarks[0].endswith(" MiB, 1.0 MiB are free.")


def test_report_says_it_all(tmp_path):
    report = memory(unet(), size=(64, 128), batch=2, budget=2**24)
    text, picture = report.save(tmp_path)
    facts = json.loads(text.read_text())["stages"]["training"]
    assert facts["images"] == [2, 64, 128, 1]
    assert sum(facts["at_peak_bytes"].values()) == facts["peak_bytes"]
    assert facts["largest_side_pixels"] == report.stages[0].largest
    assert picture.stat().st_size > 10_000
    assert "In 16.0 MiB fits, as the largest 2 square images" in str(report)
    assert "measured" in str(report)


def test_available_memory_is_plausible():
    assert 2**26 < available_memory() < 2**46
    assert in_words(5 * 2**30) == "5.0 GiB"


@pytest.mark.parametrize("arguments", [{"size": 0}, {"batch": 0}, {"budget": 0}], ids=str)
def test_impossible_arguments(arguments):
    with pytest.raises(ValueError, match="memory: size, batch and budget must be positive, got"):
        memory(unet(), **arguments)


def test_illegal_size_is_an_error_that_names_legal_ones():
    with pytest.raises(ValueError, match="nearest legal: 96, 112"):
        memory(unet(), size=100)
    with pytest.raises(ValueError, match="unknown optimizer 'lion'"):
        memory(unet(), size=64, optimizer="lion")


def test_headline_and_brief_say_what_is_held():
    report = memory(unet(base=8), size=128, training=True, measure=False, budget=2**28)
    (stage,) = report.stages
    assert stage.held > stage.peak
    assert f"takes {in_words(stage.held)}" in report.headline()
    assert report.brief() == f"{in_words(stage.held)} on 128 x 128"


def test_the_line_of_the_figure_is_a_row_of_the_table():
    report = memory(unet(), size=128, training=False, budget=2**28)
    (stage,) = report.stages
    rows = dict(report.table().rows)
    assert report.table().headings == ("KiB", "inference")
    assert rows["measured, with parameters"] == f"{(stage.measured + stage.timeline[0, 0]) / 2**10:,.1f}"
    assert rows["error of that forecast"] == "+0.0%"
    (axes,) = report.figure().axes
    (line,) = [line for line in axes.get_lines() if line.get_label() == "measured, with parameters"]
    assert line.get_ydata()[0] * 2**20 == pytest.approx(stage.measured + int(stage.timeline[0, 0]))
    assert axes.get_ylabel() == "memory in use (MiB)"


class Copies(nn.Module):
    """A network of somebody's own that copies its map with NumPy."""

    def __init__(self):
        self.conv = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, x):
        return mf.tensor(self.conv(x).data[:, ::-1].copy())


def test_the_search_for_the_largest_image_takes_little_memory_itself(monkeypatch):
    monkeypatch.setattr(sys.modules[Search.__module__], "available_memory", lambda: 2**24)
    report = memory(Copies(), size=32, training=False, measure=False, budget=2**40)
    # From 256 pixels on, NumPy's copies take a sixteenth of the memory.
    assert report.stages[0].largest == 256
    assert report.remarks[0].startswith("The largest image for inference was sought up to 256 pixels a side")


def test_memory_that_runs_out_ends_the_search_and_not_the_report():
    def need(side):
        if side > 100:
            raise MemoryError("Unable to allocate 32.0 GiB")
        return side

    search = Search(need)
    assert (search.largest(10**9), search.end) == (100, 100)


def test_a_module_of_one_size_only():
    class Fixed(nn.Conv2d):
        def forward(self, x):
            if x.shape[1:3] != (40, 56):
                raise ValueError("only 40 x 56")
            return super().forward(x)

    report = memory(Fixed(1, 2, 3), size=(40, 56), budget=2**24)
    assert [stage.largest for stage in report.stages] == [None, None]
    assert "none in training, none in inference" in report.headline()


def test_nothing_to_learn():
    with pytest.raises(ValueError, match="nothing to train"):
        memory(Subject(nn.MaxPool2d(2), channels=1), size=64, training=True)
    report = memory(Subject(nn.MaxPool2d(2), channels=1), size=64, budget=2**24)
    assert [stage.name for stage in report.stages] == ["inference"]
    assert report.remarks == ("No training: MaxPool2d has no parameter that requires grad.",)
