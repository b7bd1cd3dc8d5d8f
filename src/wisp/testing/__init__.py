"""Fixtures of pytest for components: ``pytest_plugins = ["wisp.testing"]`` in `conftest.py` makes them known.

>>> def test_the_total_is_the_sum(component):  # doctest: +SKIP
...     catalogue = Fake(price=120)
...     shop = component("shop.wasm", imports={"example:shop/catalogue": catalogue})
...     prices = shop["example:shop/prices"]
...     assert prices.total([prices.Item("pen", 3)]) == 360
...     assert catalogue.calls == [("price", ("pen",))]
"""

from wisp.testing.fake import Fake
from wisp.testing.fixtures import ComponentFactory, component, wisp_host

__all__ = ["ComponentFactory", "Fake", "component", "wisp_host"]
