"""Prices, quantities and money are whole numbers on the wire: 1e-9, 1e-8 and 1e-6 of one. These turn them into what people write, exactly."""
from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal, Inexact, localcontext

PRICE_SCALE, QUANTITY_SCALE, MONEY_SCALE = 10**9, 10**8, 10**6
_MAX = 2**63 - 1
Number = str | int | Decimal


def _units(value: Number, scale: int, what: str) -> int:
    if isinstance(value, float):
        raise TypeError(f"{what} {value!r}: a float is not exact; write it as a text, e.g. \"{value}\"")
    with localcontext(Context(prec=60)):
        units = Decimal(value) * scale
        whole = units.to_integral_value(ROUND_FLOOR)
        if whole != units:
            raise ValueError(f"{what} {value}: finer than 1/{scale}")
    if not -_MAX <= whole <= _MAX:
        raise OverflowError(f"{what} {value}: beyond the 64 bits that the wire has")
    return int(whole)


def price(value: Number) -> int:
    """A price in units of 1e-9: price("101.25") == 101250000000."""
    return _units(value, PRICE_SCALE, "price")


def quantity(value: Number) -> int:
    """A quantity in units of 1e-8: quantity("0.5") == 50000000."""
    return _units(value, QUANTITY_SCALE, "quantity")


def money(value: Number) -> int:
    """An amount of money in units of 1e-6."""
    return _units(value, MONEY_SCALE, "money")


def _decimal(units: int, digits: int) -> Decimal:
    with localcontext(Context(prec=60, traps=[Inexact])):
        return Decimal(units).scaleb(-digits)


def price_decimal(units: int) -> Decimal:
    """What a price in units of 1e-9 says: Decimal("101.25")."""
    return _decimal(units, 9)


def quantity_decimal(units: int) -> Decimal:
    return _decimal(units, 8)


def money_decimal(units: int) -> Decimal:
    return _decimal(units, 6)
