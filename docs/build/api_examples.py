"""Examples for public names whose docstrings have none that works with the public names alone.

The page of public names shows them, and a test runs every example of that page.
"""

EXAMPLES = {
    "Claim": """
>>> claim = fw.Claim("It overfits from epoch 5 on.", fw.claims.overfits(from_epoch=5))
>>> claim.by.epochs
5
""",
    "Classifier": """
>>> digits = fw.load_data("digits").test
>>> images, labels = digits.images[:, 0].numpy(), digits.labels.numpy()
>>> fw.Classifier(epochs=8, random_state=0).fit(images, labels).score(images, labels) > 0.5
True
""",
    "Constant": """
>>> fw.Recipe(lr=0.1, schedule=fw.Constant()).to_json()["schedule"]
{'kind': 'constant', 'warmup_epochs': 0.0}
""",
    "Cosine": """
>>> fw.Recipe(lr=0.1, schedule=fw.Cosine(floor=0.01)).to_json()["schedule"]["kind"]
'cosine'
""",
    "Distil": """
>>> fw.Recipe(distil=fw.Distil(teacher="relaxed", share=0.5)).distil.temperature
1.0
""",
    "Experiment": """
>>> from torch import nn
>>> def network(channels: int = 1, classes: int = 10) -> nn.Module:
...     return nn.Sequential(nn.MaxPool2d(4), nn.Flatten(), nn.Linear(channels * 49, classes))
>>> own = fw.Experiment(network=network, recipe=fw.Recipe(epochs=2), budget=fw.Budget(parameters=1000))
>>> sum(weights.numel() for weights in own.build(channels=1, classes=4).parameters())
200
""",
    "FeatherweightError": """
>>> try:
...     fw.find("f33")
... except fw.FeatherweightError as problem:
...     print(problem.exit_status, str(problem)[:42])
2 Unknown experiment 'f33'; did you mean f3?
""",
    "Gated": """
>>> import torch
>>> from torch import nn
>>> gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.Sigmoid())
>>> fw.Gated(gate)(torch.zeros(2, 4, 8, 8)).shape
torch.Size([2, 4, 8, 8])
""",
    "HardExamples": """
>>> fw.find("f3").recipe.hard
HardExamples(factor=10, loss=0.1)
""",
    "Linear": """
>>> fw.Recipe(lr=0.1, schedule=fw.Linear(warmup_epochs=1)).to_json()["schedule"]["kind"]
'linear'
""",
    "Model": """
>>> model = fw.load("f3")
>>> digits = fw.load_data("digits").test
>>> [answer.name for answer in model.predict(digits.images[:5])], digits.labels[:5].tolist()
(['1', '4', '9', '5', '6'], [1, 4, 9, 5, 6])
>>> model(digits.images[:5]).shape
torch.Size([5, 10])
""",
    "MultiStep": """
>>> fw.Recipe(lr=0.1, schedule=fw.MultiStep(at_epochs=(6, 11))).schedule.factor
0.1
""",
    "OneCycle": """
>>> fw.find("f3").recipe.schedule.peak_at
0.15
""",
    "Plateau": """
>>> fw.Plateau(patience_epochs=2).quantity
'train_loss'
""",
    "Proposal": """
>>> proposal = fw.Proposal(network=fw.stack([8, 12]), recipe=fw.Recipe(epochs=5))
>>> len(proposal.network)
5
""",
    "Record": """
>>> record = fw.load("f3").record
>>> record.experiment, record.seed, record.verdict.passed, record.rows[-1].test_accuracy
('f3', 0, True, 99.49)
""",
    "Residual": """
>>> import torch
>>> from torch import nn
>>> fw.Residual(nn.Conv2d(4, 4, 3, padding=1))(torch.zeros(2, 4, 8, 8)).shape
torch.Size([2, 4, 8, 8])
""",
    "Space": """
>>> def propose(trial):
...     width = trial.suggest_int("width", 6, 12)
...     return fw.Proposal(network=fw.stack([width, 2 * width], pool_after=[1]), recipe=fw.Recipe(epochs=5))
>>> fw.Space(name="narrow", propose=propose, budget=fw.Budget(parameters=2000)).budget.parameters
2000
""",
    "Step": """
>>> fw.Recipe(lr=0.1, schedule=fw.Step(every_epochs=5)).schedule.factor
0.1
""",
    "analysis": """
>>> digits = fw.load_data("digits")
>>> answers = fw.analysis.answers_of(fw.load("f3").trained, digits)
>>> len(fw.analysis.mistakes(answers)) < 20
True
""",
    "claims": """
>>> fw.claims.overfits(from_epoch=5).rule.split(" by ")[0]
'Mean clean train accuracy is above mean test accuracy'
>>> fw.claims.opinion("Batch norm is what it needs.").by is None
True
""",
    "figures": """
>>> figure = fw.figures.accuracy(fw.load("f3").record)
>>> [axes.get_xlabel() for axes in figure.axes]
['epoch']
""",
    "find": """
>>> f3 = fw.find("f3")
>>> f3.parent, f3.recipe.epochs, f3.budget.parameters
('f2', 15, 8000)
""",
    "find_lr": """
>>> sweep = fw.find_lr(fw.find("f3").build(), fw.find("f3").recipe, fw.load_data("digits"), steps=60)
>>> 0.001 < sweep.suggestion < 1
True
""",
    "new_run": """
>>> import tempfile
>>> from pathlib import Path
>>> run = fw.new_run(fw.find("f1"), fw.load_data("digits"), out=Path(tempfile.mkdtemp()), threads=1)
>>> run.folder.name, run.record.parameters, run.record.finished
('f1-seed0', 7916, False)
""",
    "notebook": """
>>> [name for name in ("live", "train", "class_table", "findings") if hasattr(fw.notebook, name)]
['live', 'train', 'class_table', 'findings']
""",
    "read_record": """
>>> import tempfile
>>> model = fw.train("f1", "digits", settings={"recipe.epochs": 1}, out=tempfile.mkdtemp(), threads=1)
>>> fw.read_record(model.folder).seed
0
""",
    "resume": """
>>> import tempfile
>>> from pathlib import Path
>>> settings, out = {"recipe.epochs": 2}, Path(tempfile.mkdtemp())
>>> def stop(row):
...     raise KeyboardInterrupt
>>> try:
...     fw.train("f1", "digits", settings=settings, out=out, on_epoch=stop, threads=1)
... except KeyboardInterrupt:
...     run = fw.resume(out / "f1-seed0")
>>> run.state.epoch
1
>>> for state in fw.steps(run):
...     pass
>>> run.record.finished, len(run.record.rows)
(True, 2)
""",
    "steps": """
>>> import tempfile
>>> from pathlib import Path
>>> run = fw.new_run(fw.find("f1"), fw.load_data("digits"), out=Path(tempfile.mkdtemp()), threads=1)
>>> state = next(fw.steps(run))
>>> state.epoch, state.step, state.seen
(0, 1, 128)
""",
    "summarise": """
>>> summary = fw.summarise([fw.load(f"f3-seed{seed}").record for seed in range(3)])
>>> summary.runs, round(summary.mean, 2), summary.worst
(3, 99.54, 99.49)
""",
}
