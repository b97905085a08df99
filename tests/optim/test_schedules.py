"""Schedules against torch.optim.lr_scheduler, and that they resume exactly."""

import json

import pytest
import torch

import minifcn as mf
from minifcn import optim

TWINS = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("StepLR", {"step_size": 1}),
    ("CosineAnnealingLR", {"T_max": 10}),
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.01}),
    ("PolynomialLR", {}),
    ("PolynomialLR", {"total_iters": 9, "power": 2.0}),
]


def optimizer(*rates):
    groups = [{"params": [mf.zeros(1, requires_grad=True)], "lr": lr} for lr in rates or (1.0,)]
    return optim.SGD(groups)


@pytest.mark.parametrize(("name", "options"), TWINS)
def test_twin_of_torch(name, options):
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": lr} for lr in (0.1, 2.0)]
    other = torch.optim.SGD(groups)
    mine = optimizer(0.1, 2.0)
    schedule, twin = getattr(optim, name)(mine, **options), getattr(torch.optim.lr_scheduler, name)(other, **options)
    for _ in range(16):
        assert schedule.get_last_lr() == pytest.approx(twin.get_last_lr(), rel=1e-10, abs=1e-14)
        other.step()
        mine.step()
        schedule.step()
        twin.step()


def make_all(opt):
    after = optim.CosineAnnealingLR(opt, 20)
    return {
        "step": lambda: optim.StepLR(opt, 2),
        "cosine": lambda: optim.CosineAnnealingLR(opt, 20),
        "polynomial": lambda: optim.PolynomialLR(opt, 20, 0.9),
        "warmup": lambda: optim.LinearWarmup(opt, 5, after, 0.1),
    }


@pytest.mark.parametrize("kind", ["step", "cosine", "polynomial", "warmup"])
@pytest.mark.parametrize("at", [0, 3, 11])
def test_a_resumed_run_follows_exactly(kind, at):
    opt = optimizer(0.3, 0.7)
    schedule, rates = make_all(opt)[kind](), []
    saved = None
    for step in range(16):
        if step == at:
            saved = json.dumps([opt.state_dict(), schedule.state_dict()])
        rates.append(schedule.get_last_lr())
        schedule.step()
    again = optimizer(0.3, 0.7)
    resumed = make_all(again)[kind]()
    of_optimizer, of_schedule = json.loads(saved)
    again.load_state_dict(of_optimizer)
    resumed.load_state_dict(of_schedule)
    for step in range(at, 16):
        assert resumed.get_last_lr() == rates[step]
        resumed.step()


def test_a_schedule_made_after_the_optimiser_was_loaded_keeps_the_base():
    opt = optimizer(0.5)
    schedule = optim.StepLR(opt, 1)
    schedule.step()
    again = optimizer(0.5)
    again.load_state_dict(opt.state_dict())
    resumed = optim.StepLR(again, 1)
    assert resumed.get_last_lr() == [0.5]
    resumed.load_state_dict(schedule.state_dict())
    assert resumed.get_last_lr() == schedule.get_last_lr()


def test_a_group_added_later_is_scheduled_too():
    opt = optimizer(1.0)
    schedule = optim.StepLR(opt, 2)
    schedule.step()
    opt.add_param_group({"params": [mf.zeros(1, requires_grad=True)], "lr": 4.0})
    schedule.step()
    assert schedule.get_last_lr() == pytest.approx([0.1, 0.4])


def test_warmup_then_another_schedule():
    opt = optimizer(2.0)
    schedule = optim.LinearWarmup(opt, 4, optim.PolynomialLR(opt, 2), start_factor=0.5)
    rates = []
    for _ in range(8):
        rates.append(schedule.get_last_lr()[0])
        schedule.step()
    assert rates == [1.0, 1.25, 1.5, 1.75, 2.0, 1.0, 0.0, 0.0]


def test_warmup_alone_stays_at_the_base():
    opt = optimizer(2.0)
    schedule = optim.LinearWarmup(opt, 2)
    assert [schedule.lr(step, 2.0) for step in range(5)] == [0.0, 1.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: optim.StepLR(o, 0), "StepLR: step_size must be a positive integer, got 0"),
        (lambda o: optim.CosineAnnealingLR(o, 1.5), "CosineAnnealingLR: T_max must be a positive integer, got 1.5"),
        (lambda o: optim.PolynomialLR(o, -1), "PolynomialLR: total_iters"),
        (lambda o: optim.LinearWarmup(o, 0), "LinearWarmup: warmup_steps"),
        (
            lambda o: optim.LinearWarmup(o, 1, start_factor=2.0),
            r"start_factor must be in \[0, 1\], got 2.0",
        ),
        (lambda o: optim.LinearWarmup(o, 1, optim.StepLR(optimizer(), 1)), "belongs to another optimiser"),
        (
            lambda o: optim.StepLR(o, 1).load_state_dict({"last_step": 0, "base_lrs": [1, 2]}),
            "2 groups, an optimiser of 1",
        ),
    ],
)
def test_impossible_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make(optimizer())
