# Signs and verifies with the generated client.
require "countersign/v1/countersign_services_pb"

include Countersign::V1

def same(seen, wanted)
  raise "#{seen.inspect} is not #{wanted.inspect}" unless seen == wanted
end

server = ENV.fetch("COUNTERSIGN_SERVER").delete_prefix("http://")
client = CountersignService::Stub.new(server, :this_channel_is_insecure)
secret = "demo/stripe-webhook"

# No JSON that another parser would write alike, and no UTF-8.
body = "{\"n\": 1.0}\xFF".b
headers = client.sign(SignRequest.new(secret:, webhook: WebhookToSign.new(body:))).headers.to_a
genuine = client.verify_webhook(VerifyWebhookRequest.new(secret:, headers:, body:))
same [genuine.decision, genuine.reason], [:DECISION_ALLOW, :REASON_UNSPECIFIED]
same genuine.proven.to_a, [:PROVEN_PART_BODY, :PROVEN_PART_TIMESTAMP]

tampered = client.verify_webhook(VerifyWebhookRequest.new(secret:, headers:, body: body.sub("1.0", "1.1")))
same [tampered.decision, tampered.reason], [:DECISION_DENY, :REASON_SIGNATURE_MISMATCH]

begin
  client.verify_webhook(VerifyWebhookRequest.new(secret: "demo/none"))
  raise "a verdict without a secret"
rescue GRPC::NotFound
  puts "ruby: a delivery that was signed is verified, a tampered one is refused"
end
