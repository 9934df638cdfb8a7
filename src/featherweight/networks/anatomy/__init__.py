"""What a network is made of: one walk over it gives, layer by layer, shape, parameters, MACs, field and jump.

The rules, all in one place:

* **Parameters** are counted in the row that first uses them, so a shared one counts once; one that no row
  uses is in the total and in `Anatomy.unused`. Frozen ones count too.
* **MACs** are the multiply-adds of convolutions and linear layers for one image, without their biases.
  Everything else (pooling, norms, activations, sums) counts 0, as in the published tables and in torch's
  own FLOP counter.
* The **field** is the smallest window of input pixels, height and width, that holds every pixel a unit can
  depend on, with padding and with what `ceil_mode` lets a pool stick out: the figure for a unit far from
  every border. Where a unit also sees something that is the same for all units (a squeeze-and-excitation
  branch), it is the window of the unit in the middle. Where channels differ (concatenated branches), it is
  the window of them all. Flattening changes nothing; a linear layer sees what all units together see.
* The **jump** is the distance of neighbouring units in input pixels. A pooling with stride s multiplies it
  by s, global pooling by the number of units it pools, so that 7 x 7 units at jump 4 become one unit at
  "jump" 28; a linear layer, as the convolution it is, leaves it. A lone unit has no neighbour: its jump
  continues the formula.
* Networks are walked in evaluation mode, on a copy filled with zeros: nothing of the network is read or changed
  but shapes, and no random number is drawn. Hooks are not run.
* What is not known exactly is refused by name, never counted as zero.

The formulas are those of Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural
Networks" (Distill, 2019), with the window's start carried along, so that branches may differ in their
offsets.
"""

from featherweight.networks.anatomy.axis import middle
from featherweight.networks.anatomy.count import parameters_by_layer
from featherweight.networks.anatomy.rows import Anatomy, Row
from featherweight.networks.anatomy.walk import dissect

__all__ = ["Anatomy", "Row", "dissect", "middle", "parameters_by_layer"]
