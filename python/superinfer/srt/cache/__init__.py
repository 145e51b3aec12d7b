"""The learned cache in SGLang's radix tree."""
