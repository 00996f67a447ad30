"""How long sound takes from the program through loudspeaker and microphone back to it, per pair of devices.

    signal = clicks(rate)                    # play it; record from the moment its first sample is handed over
    found = measure(recorded, signal, rate)  # Measured: round trip, spread, level, what is doubtful, response
    Calibrations().keep(Calibration.of(found, "USB microphone", "Built-in", output_latency_s))
    Calibrations().recall("USB microphone", "Built-in")

``clicks`` and ``measure`` know no device; ``live`` plays and records through this machine's own.
"""

from collaparte.calibrate.clicks import Measured, clicks, measure
from collaparte.calibrate.store import Calibration, Calibrations

__all__ = ["Calibration", "Calibrations", "Measured", "clicks", "measure"]
