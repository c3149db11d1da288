"""The deployment: templates in Bicep, and what azd runs around them."""

from __future__ import annotations
