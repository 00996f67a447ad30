"""An orchestra that follows you.

    from collaparte import Engine, Settings, make_follower, make_predictor, read_score, rehearse

The face of the package: a dozen names, each imported only when it is asked for, so that ``import collaparte`` opens
nothing, downloads nothing and takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from collaparte.clock import VirtualClock as VirtualClock
    from collaparte.clock import WallClock as WallClock
    from collaparte.engine import Engine as Engine
    from collaparte.engine import Settings as Settings
    from collaparte.engine import perform as perform
    from collaparte.engine import rehearse as rehearse
    from collaparte.engine import replay as replay
    from collaparte.follow import make_follower as make_follower
    from collaparte.listen.simulated import simulate_solo as simulate_solo
    from collaparte.measure import measure_take as measure_take
    from collaparte.predict import make_predictor as make_predictor
    from collaparte.score import read_score as read_score
    from collaparte.takes import read_take as read_take

_HOMES = {
    "VirtualClock": "clock",
    "WallClock": "clock",
    "Engine": "engine",
    "Settings": "engine",
    "perform": "engine",
    "rehearse": "engine",
    "replay": "engine",
    "make_follower": "follow",
    "simulate_solo": "listen.simulated",
    "measure_take": "measure",
    "make_predictor": "predict",
    "read_score": "score",
    "read_take": "takes",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'collaparte' has no attribute {name!r}")
    return getattr(import_module(f"collaparte.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
