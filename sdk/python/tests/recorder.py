"""A gRPC server that writes down what it is asked and gives the answers that a test wants, also impossible ones."""

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc

from countersign.v1 import countersign_pb2 as pb

METHODS = {
    "Sign": (pb.SignRequest, pb.SignResponse),
    "Verify": (pb.VerifyRequest, pb.VerifyResponse),
    "VerifyWebhook": (pb.VerifyWebhookRequest, pb.VerifyWebhookResponse),
    "Explain": (pb.ExplainRequest, pb.ExplainResponse),
}


@dataclass
class Recorder:
    url: str = ""
    #: Answers of the calls to come; a code is an error. The last one stays.
    answers: list[Any] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    remaining_secs: list[float] = field(default_factory=list)
    hang: bool = False
    hung_up: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.requests.append(request)
        self.metadata.append({str(key): str(value) for key, value in context.invocation_metadata()})
        self.remaining_secs.append(context.time_remaining())
        if self.hang:
            while context.is_active():
                time.sleep(0.01)
            self.hung_up.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, grpc.StatusCode):
            context.abort(answer, "as the test wants it")
        return answer


@contextlib.contextmanager
def recorder(*answers: Any, hang: bool = False, port: int = 0) -> Iterator[Recorder]:
    recording = Recorder(answers=list(answers), hang=hang)
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(
            recording.answer,
            request_deserializer=asked.FromString,
            response_serializer=answered.SerializeToString,
        )
        for name, (asked, answered) in METHODS.items()
    }
    with futures.ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("countersign.v1.CountersignService", handlers),)
        )
        port = server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        recording.url = f"http://127.0.0.1:{port}"
        try:
            yield recording
        finally:
            server.stop(None).wait()
