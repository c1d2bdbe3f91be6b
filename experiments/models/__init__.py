"""The records of this domain."""

from experiments.models.analysis import Analysis
from experiments.models.calibration import CalibrationRecord
from experiments.models.experiment import Arm, Experiment, ExperimentMetric, State
from experiments.models.metric import Metric

__all__ = ["Analysis", "Arm", "CalibrationRecord", "Experiment", "ExperimentMetric", "Metric", "State"]
