"""Derivatives of compiled functions: the public functions. What they are made of is loaded when one is used."""

from tracejit.derivatives.functions import grad as grad
from tracejit.derivatives.functions import hessian as hessian
from tracejit.derivatives.functions import hvp as hvp
from tracejit.derivatives.functions import jacfwd as jacfwd
from tracejit.derivatives.functions import jacobian as jacobian
from tracejit.derivatives.functions import jacrev as jacrev
from tracejit.derivatives.functions import jvp as jvp
from tracejit.derivatives.functions import linearize as linearize
from tracejit.derivatives.functions import value_and_grad as value_and_grad
from tracejit.derivatives.functions import vjp as vjp
from tracejit.derivatives.rules import checkpoint as checkpoint
from tracejit.derivatives.rules import checkpointed as checkpointed
from tracejit.derivatives.rules import custom_jvp as custom_jvp
from tracejit.derivatives.rules import custom_root as custom_root
from tracejit.derivatives.rules import custom_vjp as custom_vjp
from tracejit.derivatives.rules import stop_gradient as stop_gradient
