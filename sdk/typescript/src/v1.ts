// The generated code: messages, and the services for `Client.stub`.

export * from "./gen/countersign/v1/audit_pb.js";
export * from "./gen/countersign/v1/backup_pb.js";
export * from "./gen/countersign/v1/countersign_pb.js";
export * from "./gen/countersign/v1/scheme_pb.js";
export * from "./gen/countersign/v1/secret_pb.js";
export * from "./gen/countersign/v1/token_pb.js";
