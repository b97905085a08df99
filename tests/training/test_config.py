"""The configuration survives its file, and says what is wrong with it."""

from pathlib import Path

import pytest

from minifcn.training.config import ConfigError, TrainConfig
from minifcn.training.recipes import RECIPES, recipe


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_survives_its_file(name: str, tmp_path: Path) -> None:
    config = recipe(name, options={"norm": "batch"}, data="somewhere").changed(mean=(0.5,), std=(0.25,))
    config.save(tmp_path / "config.toml")
    assert TrainConfig.load(tmp_path / "config.toml") == config


def test_changes_replace_a_recipe_one_by_one() -> None:
    config = recipe("isbi", batch=2, lr=None, options={"base": 8, "depth": None})
    assert config.batch == 2
    assert config.lr == RECIPES["isbi"].lr
    assert config.options == {**RECIPES["isbi"].options, "base": 8}
    assert "norm" not in recipe("isbi", options={"norm": "none"}).options


def test_an_unknown_dataset_is_named_with_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"unknown data source 'isbj': did you mean 'isbi'\?"):
        recipe("isbj")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"batch": -1}, "batch must be at least 1"),
        ({"crop": -4}, "must not be negative"),
        ({"lr": 0.0}, "lr must be positive and finite, got 0.0"),
        ({"momentum": 1.0}, "expected 0 <= momentum < 1 and a finite weight_decay >= 0, got 1.0"),
        ({"lr": float("nan")}, "lr must be positive and finite, got nan"),
    ],
)
def test_impossible_values_are_refused(change: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe("isbi", **change)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps = = 3", "not valid TOML"),
        ("steps = 3", "no dataset"),
        ('dataset = "isbi"\ncolour = 3', "unknown entries colour"),
    ],
)
def test_a_broken_file_is_one_clear_error(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        TrainConfig.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.toml: not found"):
        TrainConfig.load(tmp_path / "config.toml")
