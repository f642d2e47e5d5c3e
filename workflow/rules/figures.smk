# Figures by notebooks that papermill executes; kept with an HTML page of each.

NOTEBOOKS = {
    "confusion": ["confusion"],
    "attention": ["attention_body_parts", "attention_tubelets", "attention_skeletons"],
    "embeddings": ["tsne", "silhouette_classes", "silhouette_clusters"],
}
FIGURES = [
    f"{RESULTS}/figures/{figure}.{suffix}"
    for figures in NOTEBOOKS.values()
    for figure in figures
    for suffix in ("png", "svg")
]
NOTEBOOK_PAGES = [f"{RESULTS}/notebooks/{notebook}.html" for notebook in NOTEBOOKS]


rule draw_confusion:
    input:
        notebook="notebooks/confusion.ipynb",
        accuracy=f"{RESULTS}/tables/accuracy.csv",
        predictions=predictions(PROTOCOLS[:1]),
    output:
        confusion=svg("confusion"),
        png=png("confusion"),
        notebook=f"{RESULTS}/notebooks/confusion.ipynb",
        page=f"{RESULTS}/notebooks/confusion.html",
    log:
        log_of("draw_confusion"),
    benchmark:
        benchmark_of("draw_confusion")
    conda:
        "../../envs/figures.yaml"
    params:
        parameters=json.dumps(
            {
                "results": RESULTS,
                "protocol": PROTOCOLS[0],
                "folds": len(FOLDS),
                "figures": f"{RESULTS}/figures",
            }
        ),
        code=notebook_fingerprint("confusion"),
    message:
        "Figure: confusion matrix of the best run"
    shell:
        "python src notebook --notebook {input.notebook} --parameters {params.parameters:q} "
        "--output {output.notebook} 2>&1 | tee {log}"


rule draw_attention:
    input:
        notebook="notebooks/attention.ipynb",
        attention=f"{SHOWN}/attention.safetensors",
    output:
        body_parts=svg("attention_body_parts"),
        tubelets=svg("attention_tubelets"),
        skeletons=svg("attention_skeletons"),
        png=png("attention_body_parts", "attention_tubelets", "attention_skeletons"),
        notebook=f"{RESULTS}/notebooks/attention.ipynb",
        page=f"{RESULTS}/notebooks/attention.html",
    log:
        log_of("draw_attention"),
    benchmark:
        benchmark_of("draw_attention")
    conda:
        "../../envs/figures.yaml"
    params:
        parameters=lambda wildcards, input: json.dumps(
            {
                "attention": input.attention,
                "run": config["figures"]["run"],
                "kernel": RUNS[config["figures"]["run"]]["kernel"],
                "stride": RUNS[config["figures"]["run"]]["stride"],
                "figures": f"{RESULTS}/figures",
            }
        ),
        code=notebook_fingerprint("attention"),
    message:
        "Figures: attention of one test segment"
    shell:
        "python src notebook --notebook {input.notebook} --parameters {params.parameters:q} "
        "--output {output.notebook} 2>&1 | tee {log}"


rule draw_embeddings:
    input:
        notebook="notebooks/embeddings.ipynb",
        embeddings=f"{SHOWN}/embeddings.safetensors",
    output:
        tsne=svg("tsne"),
        silhouette_classes=svg("silhouette_classes"),
        silhouette_clusters=svg("silhouette_clusters"),
        png=png("tsne", "silhouette_classes", "silhouette_clusters"),
        notebook=f"{RESULTS}/notebooks/embeddings.ipynb",
        page=f"{RESULTS}/notebooks/embeddings.html",
    log:
        log_of("draw_embeddings"),
    benchmark:
        benchmark_of("draw_embeddings")
    conda:
        "../../envs/figures.yaml"
    params:
        parameters=lambda wildcards, input: json.dumps(
            {
                "embeddings": input.embeddings,
                "run": config["figures"]["run"],
                "perplexity": config["figures"]["perplexity"],
                "seed": config["figures"]["seed"],
                "figures": f"{RESULTS}/figures",
            }
        ),
        code=notebook_fingerprint("embeddings"),
    message:
        "Figures: t-SNE and silhouettes of the class tokens"
    shell:
        "python src notebook --notebook {input.notebook} --parameters {params.parameters:q} "
        "--output {output.notebook} 2>&1 | tee {log}"
