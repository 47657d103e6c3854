"""A computing element that runs pilots on this machine when it has nothing better to do."""

from collections.abc import Sequence
from dataclasses import replace

from weyl.pilots.compute_elements.driver import Copy, PilotSpec, Submitted
from weyl.pilots.compute_elements.local import LocalComputeElement


class NiceComputeElement(LocalComputeElement):
    """The local computing element, with every pilot at the lowest priority."""

    async def submit(self, spec: PilotSpec, copies: Sequence[Copy]) -> Submitted:
        """Starts the copies by way of `nice`."""
        arguments = ("-n", "19", spec.executable, *spec.arguments)
        return await super().submit(replace(spec, executable="nice", arguments=arguments), copies)
