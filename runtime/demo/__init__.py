"""The demonstration: 830 real orders, processed by durable workflows while nodes and workers are killed."""

from actors import App
from runtime.demo import tasks
from runtime.demo.workflow import ProcessOrder

app = App(
    actors=[ProcessOrder],
    tasks=[
        tasks.validate_order,
        tasks.reserve_inventory,
        tasks.release_inventory,
        tasks.calculate_tax,
        tasks.generate_invoice,
        tasks.send_order_confirmed_sms,
        tasks.send_error_response,
        tasks.notify_customer,
    ],
)

__all__ = ["app"]
