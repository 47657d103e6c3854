"""The drivers that weyl itself has, by the names that the configuration uses for them."""

from collections.abc import Mapping

from weyl.pilots.compute_elements.arc import ArcComputeElement
from weyl.pilots.compute_elements.driver import DriverFactory
from weyl.pilots.compute_elements.htcondor import HTCondorComputeElement
from weyl.pilots.compute_elements.kubernetes import KubernetesComputeElement
from weyl.pilots.compute_elements.local import LocalComputeElement
from weyl.pilots.compute_elements.slurm import slurm_element
from weyl.pilots.compute_elements.ssh import ssh_element

KNOWN_DRIVERS: Mapping[str, DriverFactory] = {
    "arc": ArcComputeElement,
    "htcondor": HTCondorComputeElement,
    "kubernetes": KubernetesComputeElement,
    "local": LocalComputeElement,
    "slurm": slurm_element,
    "ssh": ssh_element,
}
