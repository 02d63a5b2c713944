"""The values of `Meters` as gauges of Flink.

PyFlink's counters only count in the thread of a bundle, and its distributions reach no reporter. A gauge is read at the
end of each bundle, whoever set its value.
"""

import functools

from pyflink.datastream import RuntimeContext

from jobs.log_insight.operator_ids import OperatorId
from udfs.meters import Meters


def open_meters(context: RuntimeContext, operator: OperatorId) -> Meters:
    """Return the meters of an operator, known to Flink."""
    meters = Meters(operator)
    for series in meters.series():
        group = context.get_metrics_group()
        for name, value in series.labels:
            group = group.add_group(name, value)
        group.gauge(series.name, functools.partial(meters.value, series))
    return meters
