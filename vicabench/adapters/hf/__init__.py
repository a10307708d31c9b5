"""Any video model that transformers knows: `--model hf:ORG/NAME` or `--model hf:./folder`."""
