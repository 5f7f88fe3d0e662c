"""Two layouts compared: areas that one has and the other has not, texts, cells.

What is equal cell by cell is never taken apart. Cells are paired by their names, or by their content where a name is in
one layout only; what differs between the cells of a pair, at all places of the pair, and the cells that have no
partner are where the layouts can differ at all, and only there the shapes of both are compared.
"""

from layoutgen.diff.compare import Difference, LayerDifference, compare
from layoutgen.diff.files import Opened, open_both
from layoutgen.diff.spots import Text

__all__ = ["Difference", "LayerDifference", "Opened", "Text", "compare", "open_both"]
