"""What a declaration can be wrong about: each ends with one sentence, when the catalogue is read and not when a snapshot is taken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from features import declare
from features.declare import Attributes, Declaration, Feature, available, catalogue, compiled, feature
from features.verbs import Attribute, Column, Entities, Events, Peers, Ref, Total, column

WORDS = ("orders", "订单数")


def declaration(body: Callable[..., Column], **changes: object) -> Declaration:
    """A sound declaration of a body, but for the changes."""
    given = {"unit": "orders", "reason": WORDS} | {name: value for name, value in changes.items() if name != "name"}
    body.__doc__ = str(given.pop("doc", "Some orders."))
    body.__name__ = str(changes.get("name", body.__name__))
    return Declaration.of(body, **given)


def orders_ever(orders: Events) -> Column:
    return orders.count()


def all_of(*bodies: Callable[..., Column]) -> dict[str, Feature]:
    """The features of some bodies."""
    return compiled({body.__name__: declaration(body) for body in bodies})


def test_a_function_is_a_feature():
    found = all_of(orders_ever)["orders_ever"]
    assert (found.name, found.unit, found.reason, found.doc, found.needs) == ("orders_ever", "orders", WORDS, "Some orders.", ("orders",))
    assert isinstance(found.tree, Total) and not found.is_text and not found.has_peers


def test_needs_come_before_those_who_need_them():
    def twice(once: Column) -> Column:
        return once + once

    def once(orders: Events) -> Column:
        return orders.count()

    assert list(all_of(twice, once)) == ["once", "twice"]
    assert all_of(twice, once)["twice"].tree.left == Ref("once")


def test_one_body_is_a_feature_per_window():
    def sold(orders: Events, *, days: int) -> Column:
        return orders.last(days=days).count()

    one = declaration(sold, days=28, reason=("orders of {days} days", "近{days}天订单数"), doc="Orders of {days} days.")
    assert (one.name, one.doc, one.reason) == ("sold_28d", "Orders of 28 days.", ("orders of 28 days", "近28天订单数"))
    assert compiled({one.name: one})["sold_28d"].tree.days == 28


def test_the_decorator_declares_every_window(monkeypatch):
    monkeypatch.setattr(declare, "_declared", {})

    @feature(unit="orders", reason=WORDS, days=(7, 28))
    def sold(orders: Events, *, days: int) -> Column:
        """Orders of {days} days."""
        return orders.last(days=days).count()

    assert list(declare._declared) == ["sold_7d", "sold_28d"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"unit": "order"}, "unit 'order' is not one of currency, orders"),
        ({"doc": ""}, "the docstring, its entry in the catalogue, is missing"),
        ({"doc": "   "}, "the docstring"),
        ({"reason": ("orders", "")}, "must be words in English and in Chinese"),
        ({"reason": ("orders",)}, "must be words in English and in Chinese"),
        ({"reason": ("", "订单数")}, "must be words in English and in Chinese"),
        ({"name": "OrdersEver"}, "not lower_snake_case"),
        ({"name": "orders__ever"}, "not lower_snake_case"),
        ({"name": "refunds"}, "the name is that of a stream"),
    ],
)
def test_a_wrong_declaration_is_refused(changes, told):
    with pytest.raises(ValueError, match=rf"^feature .* in test_declare: .*{told}.*; correct the declaration$"):
        declaration(lambda orders: orders.count(), **{"name": "sold"} | changes).check({})


def test_a_name_is_taken_once_but_a_module_may_be_read_again():
    first, again = declaration(orders_ever), declaration(orders_ever)
    again.check({"orders_ever": first})

    def elsewhere(orders: Events) -> Column:
        return orders.count()

    elsewhere.__module__ = "features.elsewhere"
    with pytest.raises(ValueError, match="feature orders_ever in elsewhere: the name is already taken"):
        declaration(elsewhere, name="orders_ever").check({"orders_ever": first})

    def sold(orders: Events, *, days: int) -> Column:
        return orders.last(days=days).count()

    def sold_28d(orders: Events) -> Column:
        return orders.count()

    with pytest.raises(ValueError, match="feature sold_28d in test_declare: the name is already taken"):
        declaration(sold_28d).check({"sold_28d": declaration(sold, days=28)})


def named(name: str, body: Callable[..., Column]) -> Callable[..., Column]:
    """A body under another name."""
    body.__name__ = name
    return body


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (lambda order: order.count(), "needs 'order', which is no stream and no feature; did you mean \"orders\"?"),
        (lambda orders_evr: orders_evr + 1, "needs 'orders_evr', .* did you mean \"orders_ever\"?"),
        (lambda orders: orders, "returns Events; end its body with a verb"),
        (lambda orders: 7, "returns int; end its body with a verb"),
        (lambda orders: orders.total("amuont"), r"reads orders.amuont, which does not exist; known are amount, orders, buyer_id"),
        (lambda orders: orders.where("price", ">", 1).count(), "reads orders.price, which does not exist"),
        (lambda orders: orders.mean("rating"), "reads orders.rating, which does not exist"),
        (lambda orders: orders.distinct("month"), "reads orders.month, which does not exist"),
        (lambda orders: orders.total("day"), "reads orders.day, which does not exist"),
        (lambda orders: orders.days_until("week"), "reads orders.week, which does not exist"),
        (lambda contracts: contracts.days_until("end"), "reads contracts.end, which does not exist; known are value, ends"),
        (lambda contracts: contracts.days_until("value"), "takes the days until contracts.value, which is of kind money"),
        (lambda orders: orders.total("buyer_id"), "adds up orders.buyer_id, which is of kind code"),
        (lambda merchants: merchants.value("colour"), "reads attribute 'colour', which merchants do not have; known are"),
        (lambda merchants: merchants.days_since("colour"), "reads attribute 'colour'"),
        (lambda merchants: merchants.days_since("industry"), "takes the days since 'industry', which is no time; use value"),
        (lambda orders_ever: orders_ever.rank_among("colour"), "reads attribute 'colour'"),
        (lambda orders: orders.count().rank_among(), "compares with peers what is no feature of the merchant alone"),
        (lambda orders_ever: (orders_ever + 1).median_among(), "compares with peers what is no feature"),
        (lambda: column(1.0).total_among(), "compares with peers what is no feature"),
        (lambda rank: rank.rank_among(), "compares with peers what is no feature of the merchant alone"),
        (lambda beside: beside.rank_among(), "compares with peers what is no feature of the merchant alone"),
    ],
)
def test_a_body_that_cannot_be_computed_is_refused(body, told):
    ranked = named("rank", lambda orders_ever: orders_ever.rank_among())
    beside = named("beside", lambda rank, orders_ever: orders_ever - rank)
    with pytest.raises(ValueError, match=f"^feature asked {told}"):
        all_of(orders_ever, ranked, beside, named("asked", body))


def test_features_that_need_each_other_are_refused():
    a, b = named("a", lambda b: b + 1), named("b", lambda a: a + 1)
    with pytest.raises(ValueError, match="features need each other in a circle: (a -> b -> a|b -> a -> b); break it"):
        all_of(a, b)
    with pytest.raises(ValueError, match="in a circle: c -> c; break it"):
        all_of(named("c", lambda c: c + 1))


def test_what_the_data_lacks_is_not_available():
    features = all_of(
        orders_ever,
        named("buyers", lambda orders: orders.distinct("buyer_id")),
        named("doubled", lambda buyers: buyers + buyers),
        named("days", lambda orders: orders.distinct("day")),
        named("rich", lambda orders: orders.where("subsidy", ">", 0).count()),
        named("ends", lambda contracts: contracts.days_until("ends")),
        named("industry", lambda merchants: merchants.value("industry")),
        named("rank", lambda orders_ever: orders_ever.rank_among("region")),
        named("rank_of_all", lambda orders_ever: orders_ever.rank_among()),
    )
    assert set(available(features, {"orders": ("amount", "orders")}, ["joined_at"])) == {"orders_ever", "days", "rank_of_all"}
    more = available(features, {"orders": ("amount", "orders", "buyer_id", "subsidy"), "contracts": ("ends",)}, ["industry", "region"])
    assert set(more) == set(features)


def test_a_feature_is_of_text_when_it_is_an_attribute_that_is():
    given = Attributes()
    assert given.value("industry") == Attribute("industry")
    texts = all_of(
        named("of_text", lambda merchants: merchants.value("parent_id")),
        named("of_number", lambda merchants: merchants.value("acquisition_cost")),
    )
    assert texts["of_text"].is_text and not texts["of_number"].is_text


def test_the_catalogue_is_in_an_order_in_which_needs_come_first():
    seen: set[str] = set()
    for name, one in catalogue().items():
        assert {need for need in one.needs if need in catalogue()} <= seen
        seen.add(name)
    assert isinstance(catalogue()["gmv_90d_rank"].tree, Peers) and isinstance(catalogue()["buyers_90d"].tree, Entities)
