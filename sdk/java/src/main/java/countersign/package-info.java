/** Signs and verifies chat identities and webhooks with secrets that never leave the service. */
package countersign;
