"""Examples for public names whose docstrings have none that works with the public names alone.

The page of public names shows them, and a test runs every example of that page.
"""

EXAMPLES = {
    "Classifier": """
>>> digits = fw.load_data("digits").test
>>> images, labels = digits.images[:, 0].numpy(), digits.labels.numpy()
>>> fw.Classifier(epochs=8, random_state=0).fit(images, labels).score(images, labels) > 0.5
True
""",
    "Experiment": """
>>> from torch import nn
>>> def network(channels: int = 1, classes: int = 10) -> nn.Module:
...     return nn.Sequential(nn.MaxPool2d(4), nn.Flatten(), nn.Linear(channels * 49, classes))
>>> own = fw.Experiment(network=network, recipe=fw.Recipe(epochs=2), budget=fw.Budget(parameters=1000))
>>> sum(weights.numel() for weights in own.build(channels=1, classes=4).parameters())
200
""",
    "Model": """
>>> model = fw.load("f3")
>>> digits = fw.load_data("digits").test
>>> [answer.name for answer in model.predict(digits.images[:5])], digits.labels[:5].tolist()
(['1', '4', '9', '5', '6'], [1, 4, 9, 5, 6])
>>> model(digits.images[:5]).shape
torch.Size([5, 10])
""",
    "steps": """
>>> import tempfile
>>> from pathlib import Path
>>> run = fw.new_run(fw.find("f1"), fw.load_data("digits"), out=Path(tempfile.mkdtemp()), threads=1)
>>> state = next(fw.steps(run))
>>> state.epoch, state.step, state.seen
(0, 1, 128)
""",
}
