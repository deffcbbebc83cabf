"""Hadron: external strategies in Python. See hadron.Strategy, and `python3 -m hadron --help`."""
from .messages import Allocation, Bar, BarKind, DecisionKind, Instrument, OrderEvent, OrderFlag, OrderState, OrderType, Position, Side, Tick, TickFlag, TickKind, TimeInForce
from .strategy import Holding, Session, Strategy
from .units import money, money_decimal, price, price_decimal, quantity, quantity_decimal

__version__ = "0.1.0"
__all__ = ["Allocation", "Bar", "BarKind", "DecisionKind", "Holding", "Instrument", "OrderEvent", "OrderFlag", "OrderState", "OrderType", "Position", "Session",
           "Side", "Strategy", "Tick", "TickFlag", "TickKind", "TimeInForce", "money", "money_decimal", "price", "price_decimal", "quantity",
           "quantity_decimal"]
