<?php
// Writes and reads a message with the generated classes; their client needs PHP's gRPC extension and is only compiled.

use Countersign\V1\Decision;
use Countersign\V1\Header;
use Countersign\V1\VerifyWebhookRequest;
use Countersign\V1\VerifyWebhookResponse;

set_include_path($argv[1] . PATH_SEPARATOR . get_include_path());
spl_autoload_register(function (string $class): void {
    require strtr($class, '\\', '/') . '.php';
});

$request = new VerifyWebhookRequest([
    'secret' => 'demo/stripe-webhook',
    'headers' => [new Header(['name' => 'Stripe-Signature', 'value' => 't=1,v1=0'])],
    'body' => "{\"n\": 1.0}\xFF",
]);
$read = new VerifyWebhookRequest();
$read->mergeFromString($request->serializeToString());
$answer = new VerifyWebhookResponse(['decision' => Decision::DECISION_DENY]);
if ($read->getBody() !== "{\"n\": 1.0}\xFF" || count($read->getHeaders()) !== 1 || $answer->getDecision() !== 2) {
    fwrite(STDERR, "php: a message is not read as it was written\n");
    exit(1);
}
echo "php: a message is read as it was written\n";
