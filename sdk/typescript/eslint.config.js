import eslint from "@eslint/js";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["build", "dist", "src/gen"] },
  eslint.configs.recommended,
  tseslint.configs.strict,
  {
    files: ["**/*.ts"],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      // A promise that nobody waits for hides an outage.
      "@typescript-eslint/no-floating-promises": [
        "error",
        { allowForKnownSafeCalls: ["test", "suite", "describe", "it"] },
      ],
      "@typescript-eslint/no-misused-promises": "error",
      // Express tells a handler of errors by its four arguments.
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_" }],
      // Express is a namespace of its own making; bytes of headers are control characters.
      "@typescript-eslint/no-namespace": ["error", { allowDeclarations: true }],
      "no-control-regex": "off",
    },
  },
);
