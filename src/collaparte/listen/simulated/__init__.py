"""A soloist who is not there: plays any score with seeded, believable rubato, to rehearse and to test with.

    take = simulate_solo(score, seed=1, level="middle")     # everything at once: events and their ground truth
    soloist = SimulatedSoloist(take, coupling=0.5)          # the same take by somebody who listens to the orchestra

See ``levels`` for what can be chosen, ``rubato`` for how time is bent, ``playing`` for how notes are struck.
"""

from collaparte.listen.simulated.levels import LEVELS, Mistakes, Rubato, Slip
from collaparte.listen.simulated.playing import SimulatedTake, simulate_solo
from collaparte.listen.simulated.soloist import SimulatedSoloist

__all__ = ["LEVELS", "Mistakes", "Rubato", "SimulatedSoloist", "SimulatedTake", "Slip", "simulate_solo"]
