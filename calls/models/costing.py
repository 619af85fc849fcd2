"""What a call costs, in the currency in which it is charged, and what is set aside for it, in that of our price."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce, Greatest

from tenants.money import Money

AMOUNT_FIELD = models.DecimalField(max_digits=14, decimal_places=6)
# What counts as a call's cost in a query: the provider's price, else our estimate. `Call.cost` is the same in Python.
# It is in `cost_currency`: group by that before any sum.
COST = Coalesce("cost_price", "cost_estimate")
NOT_PRICED = Q(cost_price__isnull=True)
KNOWN = Coalesce(COST, Value(Decimal(0)), output_field=AMOUNT_FIELD)
# What a call counts for in budgets where its cost and its reserve are in one currency: the cost as far as known, and
# what is set aside for it at least.
COUNTED = Greatest(KNOWN, F("cost_reserved"), output_field=AMOUNT_FIELD)


class Costed(models.Model):
    """The money of a call. Two currencies: a provider may charge in another than that of the account's price."""

    # The account's price at the claim. A later price or currency changes neither the reserve nor the estimate.
    # "" as currency: not claimed yet, or by a version that did not store it.
    price_per_minute = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)
    price_per_minute_currency = models.CharField(max_length=3, blank=True, default="", db_default="")
    # Set aside at the claim. Kept until the call has ended and its price is known or not awaited any more.
    cost_reserved = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    cost_price = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)  # the provider's
    cost_estimate = models.DecimalField(max_digits=14, decimal_places=6, null=True, blank=True)  # ours, at the end
    cost_currency = models.CharField(max_length=3, default="USD")  # of the cost: of the price, else of the estimate

    class Meta:
        abstract = True

    def fix_price(self, price: Decimal | None, currency: str) -> None:
        """Keep the account's price of this moment for the reserve and the estimate."""
        self.price_per_minute, self.price_per_minute_currency = price, currency

    @property
    def own_currency(self) -> str:
        """The currency of the reserve and the estimate."""
        return own_currency(self.price_per_minute_currency, self.cost_currency)

    @property
    def cost(self) -> Money | None:
        """What the call costs, as far as known: the provider's price, else our estimate."""
        return Money.known(self.cost_estimate if self.cost_price is None else self.cost_price, self.cost_currency)

    @property
    def price(self) -> Money | None:
        """The provider's price."""
        return Money.known(self.cost_price, self.cost_currency)

    @property
    def estimate(self) -> Money | None:
        """Our estimate, made when the call ended."""
        return Money.known(self.cost_estimate, self.own_currency)

    @property
    def reserve(self) -> Money:
        """What is set aside."""
        return Money(self.cost_reserved, self.own_currency)

    @property
    def cost_is_estimate(self) -> bool:
        return self.cost_price is None and self.cost_estimate is not None


def own_currency(of_the_price: str, of_the_cost: str) -> str:
    """Return the currency of a call's reserve and estimate, from its two columns."""
    return of_the_price or of_the_cost
