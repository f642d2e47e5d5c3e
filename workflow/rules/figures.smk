# Figures by notebooks that papermill executes; kept with an HTML page of each.

NOTEBOOKS = {
    "confusion": ["confusion", "confusion_best", "recalls"],
    "attention": ["attention_body_parts", "attention_tubelets", "attention_skeletons"],
    "movement": ["movement"],
    "embeddings": ["tsne", "silhouette_classes", "silhouette_clusters"],
    "pareto": ["pareto"],
}
FIGURES = [
    f"{RESULTS}/figures/{figure}.{suffix}"
    for figures in NOTEBOOKS.values()
    for figure in figures
    for suffix in ("png", "svg")
]
PROJECTOR = f"{RESULTS}/projector/projector_config.pbtxt"
NOTEBOOK_PAGES = [f"{RESULTS}/notebooks/{notebook}.html" for notebook in NOTEBOOKS]


rule draw_confusion:
    input:
        notebook="notebooks/confusion.ipynb",
        accuracy=f"{RESULTS}/tables/accuracy.csv",
        recalls=f"{RESULTS}/tables/recalls.csv",
        predictions=of_folds("predictions.parquet", PAPERS_RUNS, PROTOCOLS[:1]),
    output:
        confusion=svg("confusion", "Confusion matrix", "Fig. 3"),
        best=svg("confusion_best", "Confusion matrix of the best run", "Fig. 3"),
        recalls=svg("recalls", "Recall of each class"),
        png=png("confusion", "confusion_best", "recalls"),
        notebook=f"{RESULTS}/notebooks/confusion.ipynb",
        page=notebook_page("confusion", "Confusion matrix and recalls"),
    log:
        log_of("draw_confusion"),
    benchmark:
        benchmark_of("draw_confusion")
    conda:
        "../../envs/figures.yaml"
    params:
        parameters=json.dumps(
            {
                "tables": f"{RESULTS}/tables",
                "results": RESULTS,
                "protocol": PROTOCOLS[0],
                "folds": len(FOLDS),
                "seeds": config["seeds"],
                "run": config["figures"]["run"],
                "baseline": config["statistics"]["baseline"],
                "figures": f"{RESULTS}/figures",
            }
        ),
        code=notebook_fingerprint("confusion"),
    message:
        "Figures: confusion matrices, recalls beside the baseline"
    shell:
        "python src notebook --notebook {input.notebook:q} --parameters {params.parameters:q} "
        "--output {output.notebook:q} 2>&1 | tee {log:q}"


rule draw_attention:
    input:
        notebook="notebooks/attention.ipynb",
        attention=f"{SHOWN}/attention.safetensors",
    output:
        body_parts=svg(
            "attention_body_parts",
            "Attention between class token and body parts",
            "Fig. 4a",
        ),
        tubelets=svg("attention_tubelets", "Attention between tubelets", "Fig. 4b-d"),
        skeletons=svg("attention_skeletons", "Attention on the skeleton", "Fig. 4e"),
        png=png("attention_body_parts", "attention_tubelets", "attention_skeletons"),
        notebook=f"{RESULTS}/notebooks/attention.ipynb",
        page=notebook_page("attention", "Attention of one segment"),
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
        "python src notebook --notebook {input.notebook:q} --parameters {params.parameters:q} "
        "--output {output.notebook:q} 2>&1 | tee {log:q}"


rule draw_embeddings:
    input:
        notebook="notebooks/embeddings.ipynb",
        embeddings=f"{SHOWN}/embeddings.safetensors",
    output:
        tsne=svg("tsne", "t-SNE of the class tokens", "Fig. 5a"),
        silhouette_classes=svg(
            "silhouette_classes", "Silhouettes by true class", "Fig. 5b"
        ),
        silhouette_clusters=svg(
            "silhouette_clusters", "Silhouettes by cluster", "Fig. 5b"
        ),
        png=png("tsne", "silhouette_classes", "silhouette_clusters"),
        notebook=f"{RESULTS}/notebooks/embeddings.ipynb",
        page=notebook_page("embeddings", "Class tokens"),
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
        "python src notebook --notebook {input.notebook:q} --parameters {params.parameters:q} "
        "--output {output.notebook:q} 2>&1 | tee {log:q}"


rule draw_movement:
    input:
        notebook="notebooks/movement.ipynb",
        table=f"{RESULTS}/tables/movement.csv",
    output:
        movement=svg("movement", "Attention and movement"),
        png=png("movement"),
        notebook=f"{RESULTS}/notebooks/movement.ipynb",
        page=notebook_page("movement", "Attention and movement"),
    log:
        log_of("draw_movement"),
    benchmark:
        benchmark_of("draw_movement")
    conda:
        "../../envs/figures.yaml"
    params:
        parameters=lambda wildcards, input: json.dumps(
            {
                "table": input.table,
                "run": config["figures"]["run"],
                "figures": f"{RESULTS}/figures",
            }
        ),
        code=notebook_fingerprint("movement"),
    message:
        "Figure: does attention follow movement?"
    shell:
        "python src notebook --notebook {input.notebook:q} --parameters {params.parameters:q} "
        "--output {output.notebook:q} 2>&1 | tee {log:q}"


rule draw_pareto:
    input:
        notebook="notebooks/pareto.ipynb",
        accuracy=f"{RESULTS}/tables/accuracy.csv",
        complexity=f"{RESULTS}/tables/complexity.csv",
    output:
        pareto=svg("pareto", "Accuracy against cost"),
        png=png("pareto"),
        notebook=f"{RESULTS}/notebooks/pareto.ipynb",
        page=notebook_page("pareto", "Accuracy against cost"),
    log:
        log_of("draw_pareto"),
    benchmark:
        benchmark_of("draw_pareto")
    conda:
        "../../envs/figures.yaml"
    params:
        parameters=lambda wildcards, input: pareto_parameters(input, "figures"),
        code=notebook_fingerprint("pareto"),
    message:
        "Figure: balanced accuracy against cost"
    shell:
        "python src notebook --notebook {input.notebook:q} --parameters {params.parameters:q} "
        "--output {output.notebook:q} 2>&1 | tee {log:q}"


rule projector:
    input:
        embeddings=f"{SHOWN}/embeddings.safetensors",
    output:
        config=PROJECTOR,
        vectors=f"{RESULTS}/projector/vectors.tsv",
        classes=f"{RESULTS}/projector/classes.tsv",
    log:
        log_of("projector"),
    benchmark:
        benchmark_of("projector")
    conda:
        "../../envs/figures.yaml"
    params:
        name=config["figures"]["run"],
        code=command_fingerprint("projector"),
    message:
        "Class tokens for TensorBoard's embedding projector"
    shell:
        "python src projector --embeddings {input.embeddings:q} --name {params.name:q} "
        "--output {output.config:q} 2>&1 | tee {log:q}"
