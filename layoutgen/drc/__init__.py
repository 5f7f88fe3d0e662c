"""Design rule checks: `checks` holds one file for each kind of rule, `run` runs a PDK's rules on a layout."""
