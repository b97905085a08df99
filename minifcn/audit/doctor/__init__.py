"""The doctor: what is wrong with a data set, why it matters, and what to do, before training starts.

Each check is a function from what was seen of every image (`survey`) to findings; one kind of finding a file.
"""

from minifcn.audit.doctor.doctor import doctor, doctor_source
from minifcn.audit.doctor.finding import Finding, Place
from minifcn.audit.doctor.report import Diagnosis

__all__ = ["Diagnosis", "Finding", "Place", "doctor", "doctor_source"]
