"""Serve the offline AWS provider on a socket until standard input ends.

The first line printed is what `TF_REATTACH_PROVIDERS` has to say for Terraform or OpenTofu to use it.
"""

import argparse
import json
import os
import sys
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

from tests.deploy.aws_provider import protocol
from tests.deploy.aws_provider.planning import applied, planned
from tests.deploy.aws_provider.predictions import ACCOUNT, Place, read

SOURCE = "hashicorp/aws"


class Provider:
    """The calls of Terraform's plugin protocol that validating, planning and applying need."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._schema_response = protocol.schema_response(schema)
        self._place = Place(region="")

    def get_schema(self, _request: Any, _context: Any) -> Any:
        return self._schema_response

    def prepare_provider_config(self, request: Any, _context: Any) -> Any:
        return protocol.message("ConfigResponse")(prepared_config=request.config)

    def validate(self, _request: Any, _context: Any) -> Any:
        """Find nothing: arguments and their types are checked against the schema by the caller."""
        return protocol.message("DiagnosticsResponse")()

    def configure(self, request: Any, _context: Any) -> Any:
        config = protocol.decode(request.config)
        problem = _problem(config)
        if problem:
            return protocol.message("DiagnosticsResponse")(diagnostics=[protocol.diagnostic("Offline AWS", problem)])
        default_tags = (config["default_tags"] or [{"tags": {}}])[0]["tags"] or {}
        self._place = Place(config["region"], default_tags)
        return protocol.message("DiagnosticsResponse")()

    def upgrade_state(self, request: Any, _context: Any) -> Any:
        """Return the state as it is: it was written with the same schema."""
        state = protocol.message("Value")(json=request.raw_state.json)
        return protocol.message("UpgradeResponse")(upgraded_state=state)

    def read_resource(self, request: Any, _context: Any) -> Any:
        return protocol.message("ReadResponse")(new_state=request.current_state)

    def plan(self, request: Any, _context: Any) -> Any:
        proposed = protocol.decode(request.proposed_new_state)
        if proposed is None:  # to be destroyed
            return protocol.message("PlanResponse")(planned_state=request.proposed_new_state)
        block = self._schema["resource_schemas"][request.type_name]["block"]
        state = planned(block, protocol.decode(request.prior_state), proposed, self._place)
        return protocol.message("PlanResponse")(planned_state=protocol.encode(state))

    def apply(self, request: Any, _context: Any) -> Any:
        state = protocol.decode(request.planned_state)
        if state is None:
            return protocol.message("ApplyResponse")(new_state=request.planned_state)
        block = self._schema["resource_schemas"][request.type_name]["block"]
        state = applied(request.type_name, block, state, self._place)
        return protocol.message("ApplyResponse")(new_state=protocol.encode(state))

    def read_data_source(self, request: Any, _context: Any) -> Any:
        try:
            state = read(request.type_name, protocol.decode(request.config), self._place)
        except LookupError as error:
            problem = protocol.diagnostic("Not known offline", str(error))
            return protocol.message("ReadDataResponse")(diagnostics=[problem])
        return protocol.message("ReadDataResponse")(state=protocol.encode(state))

    def stop(self, _request: Any, _context: Any) -> Any:
        return protocol.message("StopResponse")()


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("schema", type=Path, help="what make_schema.py made")
    parser.add_argument("socket", type=Path, help="where to listen")
    options = parser.parse_args()
    provider = Provider(json.loads(options.schema.read_text()))
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    server.add_generic_rpc_handlers((_handlers(provider),))
    server.add_insecure_port(f"unix:{options.socket}")
    server.start()
    print(_reattach(options.socket), flush=True)  # noqa: T201 - for the one who started this
    sys.stdin.read()
    server.stop(grace=None)


def _problem(config: dict[str, Any]) -> str | None:
    if not isinstance(config["region"], str):
        return "the provider's region must be configured: there is no shell or instance to take it from"
    if config["allowed_account_ids"] and ACCOUNT not in config["allowed_account_ids"]:
        return f"allowed_account_ids does not name the example account {ACCOUNT}"
    return None


def _handlers(provider: Provider) -> Any:
    calls = {
        "GetSchema": ("Nothing", provider.get_schema),
        "PrepareProviderConfig": ("ConfigRequest", provider.prepare_provider_config),
        "ValidateResourceTypeConfig": ("TypeConfigRequest", provider.validate),
        "ValidateDataSourceConfig": ("TypeConfigRequest", provider.validate),
        "Configure": ("ConfigureRequest", provider.configure),
        "UpgradeResourceState": ("UpgradeRequest", provider.upgrade_state),
        "ReadResource": ("ReadRequest", provider.read_resource),
        "PlanResourceChange": ("PlanRequest", provider.plan),
        "ApplyResourceChange": ("ApplyRequest", provider.apply),
        "ReadDataSource": ("TypeConfigRequest", provider.read_data_source),
        "Stop": ("Nothing", provider.stop),
    }
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            call,
            request_deserializer=protocol.message(request).FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )
        for name, (request, call) in calls.items()
    }
    return grpc.method_handlers_generic_handler(protocol.SERVICE, handlers)


def _reattach(socket: Path) -> str:
    address = {"Network": "unix", "String": str(socket)}
    about = {"Protocol": "grpc", "ProtocolVersion": 5, "Pid": os.getpid(), "Test": True, "Addr": address}
    return json.dumps({SOURCE: about})


if __name__ == "__main__":
    main()
