"""The ten services and what they say on an ordinary day."""

from typing import NamedTuple


class Service(NamedTuple):
    """One deployment. `weight` is its share of the ordinary lines; `messages` are said at INFO, `details` below."""

    name: str
    container: str
    logger: str
    weight: int
    messages: tuple[str, ...]
    details: tuple[str, ...]


SERVICES = (
    Service(
        "payment-api",
        "app",
        "com.example.payment.PaymentController",
        18,
        (
            "payment {payment} authorized amount={amount} KRW order={order} in {ms} ms",
            "payment {payment} captured for order {order}",
            "refund of {amount} KRW for {payment} accepted, reason=customer_request",
            "POST {path} 201 {ms}ms customer={customer} ip={ip}",
        ),
        ("idempotency key {uuid} is new", "selected acquirer route {partition} for {payment}"),
    ),
    Service(
        "order-service",
        "app",
        "com.example.order.OrderService",
        17,
        (
            "order {order} created for {customer} with {count} items, total {amount} KRW",
            "order {order} moved from PAID to PACKING",
            "order {order} will be delivered to {city}",
            "published OrderCreated {uuid} to partition {partition}",
        ),
        ("loaded order {order} in {ms} ms", "price rules evaluated for {sku}: {count} candidates"),
    ),
    Service(
        "checkout",
        "web",
        "com.example.checkout.CheckoutFlow",
        14,
        (
            "checkout {uuid} started by {customer}",
            "basket of {customer} priced at {amount} KRW, {count} lines",
            "checkout {uuid} finished, order {order}, took {ms} ms",
        ),
        ("coupon {coupon} is valid", "session {uuid} read from cache in {ms} ms"),
    ),
    Service(
        "gateway",
        "envoy",
        "access",
        16,
        (
            "GET {path} 200 {ms}ms upstream={ip} agent={agent}",
            "POST {path} 202 {ms}ms upstream={ip}",
            "GET {path} 304 {ms}ms",
        ),
        ("connection {uuid} reused", "route matched for {path}"),
    ),
    Service(
        "auth",
        "api",
        "auth.sessions",
        9,
        ("session {uuid} opened for {customer} from {ip}", "token renewed for {customer}, valid for {count} hours"),
        ("key set is fresh, age {ms} s",),
    ),
    Service(
        "inventory",
        "app",
        "com.example.inventory.StockService",
        8,
        ("reserved {count} of {sku} for {order}", "stock of {sku} is now {ms}", "released reservation {uuid}"),
        ("cache hit for {sku}",),
    ),
    Service(
        "settlement",
        "worker",
        "settlement.batch",
        5,
        (
            "{batch}: {count} transactions of {company} settled, sum {amount} KRW",
            "{batch}: file uploaded, {large} bytes in {ms} ms",
        ),
        ("{batch}: read page {count}",),
    ),
    Service(
        "notification",
        "worker",
        "com.example.notification.Dispatcher",
        6,
        ("mail {uuid} accepted by provider in {ms} ms", "push {uuid} delivered to {count} devices"),
        ("template order-confirmed rendered for {person}",),
    ),
    Service(
        "ledger",
        "api",
        "ledger.postings",
        4,
        ("posted entry {uuid}: debit {amount} credit {amount} KRW", "balance of account {large} verified in {ms} ms"),
        ("journal page {count} flushed",),
    ),
    Service(
        "shipping",
        "api",
        "shipping.labels",
        3,
        ("label {shipment} printed for {order} to {city}", "carrier accepted {shipment}, eta {count} hours"),
        ("rate table for {city} is {ms} s old",),
    ),
)

SERVICE_NAMES = tuple(service.name for service in SERVICES)
