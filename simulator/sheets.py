"""The boundary contract's two sheets for any fleet: what the demo lets SCADA see and ask.

The packaged `policies/gateway/*.csv` are these sheets for the packaged fleet: what ships as an example is what runs.
"""

from __future__ import annotations
