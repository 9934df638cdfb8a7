"""What calls of the command line are given and give."""

from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]
"""The fixture `run`: words to exit status, standard output and standard error."""

OWN = '''"""Mine."""
from torch import nn
from featherweight import Budget, Experiment, Recipe

def network():
    return nn.Sequential(nn.MaxPool2d(4), nn.Flatten(), nn.Linear(49, 10))

experiment = Experiment(id='own', title='own', network=network, recipe=Recipe(epochs=2, lr=0.05),
                        budget=Budget(parameters=600, epochs=20, accuracy=50, held=1))
'''
"""An experiment of somebody's own, quick to train on the embedded digits."""
