"""What the course's notebooks need beside the engine: exercises that check themselves, and questions with answers.

>>> from minifcn import course
>>> @course.check
... def a_convolution_keeps_its_bias():
...     assert 3 * 3 * 1 * 8 + 8 == 80
✓ a convolution keeps its bias
"""

from minifcn.course.check import Verdict, check
from minifcn.course.quiz import Quiz, quiz

__all__ = ["Quiz", "Verdict", "check", "quiz"]
