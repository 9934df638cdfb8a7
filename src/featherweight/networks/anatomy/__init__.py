"""The anatomy of a network: shape, parameters, MACs, receptive field and jump of every layer, found in a single pass.

The rules, all in one place:

* **Parameters** are counted in the row that first uses them, so shared parameters count once. Parameters that no row
  uses are part of the total and of `Anatomy.unused`. Frozen parameters count too. A weight that is computed from
  others while it trains, such as the merger of several branches, counts as all of these.
* **Buffers** are the numbers that no gradient changes, the constants of fixed filters among them.
* **MACs** are the multiply-adds of convolutions and linear layers for one image, without their biases.
  Everything else (pooling, norms, activations, sums) counts 0, as in the published tables and in torch's
  own FLOP counter.
* The **field** is the smallest window of input pixels, height and width, that contains every pixel a unit can
  depend on, including padding and the overhang of a pool with `ceil_mode`: the figure for a unit far from
  every border. If a unit also depends on something that all units share (a squeeze-and-excitation
  branch), it is the window of the unit in the middle. If channels differ (concatenated branches), it is
  the window of all of them together. Flattening changes nothing; a linear layer sees what all units together see.
* The **jump** is the distance between neighbouring units in input pixels. Pooling with stride s multiplies it
  by s, global pooling by the number of units it pools, so that 7 x 7 units with jump 4 become one unit with
  "jump" 28. A linear layer, being a convolution over the whole map, leaves it unchanged. A single unit has no
  neighbour; its jump follows from the same formula.
* Networks are run in evaluation mode, on a copy filled with zeros: only the network's structure is read, nothing in it
  is changed, and no random number is drawn. Hooks are not run.
* Whatever cannot be measured exactly is refused by name, never counted as zero.

The formulas are those of Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural
Networks" (Distill, 2019), extended to track where each window starts, so that branches may have different
offsets.
"""

from featherweight.networks.anatomy.rows import Anatomy, LayerRow
from featherweight.networks.anatomy.walk import dissect, parameters_by_layer
from featherweight.networks.layers.fields import middle

__all__ = ["Anatomy", "LayerRow", "dissect", "middle", "parameters_by_layer"]
