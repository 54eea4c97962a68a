"""The vendors of webhooks: how each signs a delivery, and how its library, or the formula, checks one."""

from webhooks_formula import FORMULA_VENDORS
from webhooks_npm import NPM_VENDORS
from webhooks_public_key import PUBLIC_KEY_VENDORS
from webhooks_pypi import PYPI_VENDORS
from webhooks_standard import STANDARD_VENDORS
from webhooks_twilio import TWILIO_VENDORS
from webhooks_url import URL_VENDORS

WEBHOOK_VENDORS = [
    *PYPI_VENDORS,
    *NPM_VENDORS,
    *STANDARD_VENDORS,
    *TWILIO_VENDORS,
    *URL_VENDORS,
    *PUBLIC_KEY_VENDORS,
    *FORMULA_VENDORS,
]
