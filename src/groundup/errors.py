"""One tree of errors. Each message names the thing, shows the value, and says what to do."""

from __future__ import annotations


class GroundupError(Exception):
    """Base of every error that is the user's to mend; the command line prints its one sentence, without a traceback."""


NO_VALUE = object()  # for a `SettingError` about a name alone


class SettingError(GroundupError):
    """A setting has an unknown name, a wrong type or an impossible value.

    `name` is the dotted path as it is written in a recipe, e.g. `training.learning_rate`.
    """

    def __init__(self, name: str, value: object, advice: str) -> None:
        super().__init__(f"{name}: {advice}" if value is NO_VALUE else f"{name} = {value!r}: {advice}")
        self.name = name
        self.value = value


class DataError(GroundupError):
    """A text source cannot be found, fetched, read or used."""


class TokenizerError(GroundupError):
    """A tokenizer cannot be loaded, or does not fit the model."""


class ModelError(GroundupError):
    """A model directory or its weights cannot be read, written or expressed in the family asked for."""


class RunError(GroundupError):
    """A run directory is in use, already holds a run, is damaged, or does not fit the recipe."""


class CheckpointError(RunError):
    """A checkpoint is incomplete or damaged, or does not fit what is to go on from it."""


class TrainingError(GroundupError):
    """Training cannot go on: the loss or its gradient is not finite, or not all processes have come."""


class PeerLostError(GroundupError):
    """Another of the processes that train together has ended; that one says why."""


class GenerationError(GroundupError):
    """A prompt or a sampling setting cannot be used."""


class ExportError(GroundupError):
    """An export differs from its model by more than its bound, or there is no room for it where it is to be."""


class LearnError(GroundupError):
    """An exercise is not there, or an attempt at one can't be run."""


class AuditError(GroundupError):
    """An audit can't be made of this model: what it would look at isn't there."""


class MachineError(GroundupError):
    """This machine lacks something: a device, disk space, a writable folder."""


class MissingExtraError(GroundupError):
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f"{feature} needs an optional package: install it with  pip install 'groundup[{extra}]'")
        self.extra = extra
