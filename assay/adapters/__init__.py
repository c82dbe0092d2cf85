"""Other frameworks' doors to Assay (Flower, Hugging Face, Opacus). Nothing is here yet."""
