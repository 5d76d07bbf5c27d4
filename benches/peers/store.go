package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
)

func config(url string) *rest.Config {
	return &rest.Config{Host: url, QPS: -1}
}

func restClient(url, kind string) (*rest.RESTClient, string, runtime.Object, error) {
	config := config(url)
	if kind == "pod" {
		version := schema.GroupVersion{Version: "v1"}
		config.GroupVersion, config.APIPath, config.NegotiatedSerializer = &version, "/api", scheme.Codecs.WithoutConversion()
		client, err := rest.RESTClientFor(config)
		return client, "pods", &corev1.Pod{}, err
	}
	codecs := serializer.NewCodecFactory(newScheme())
	config.GroupVersion, config.APIPath, config.NegotiatedSerializer = &fooVersion, "/apis", codecs.WithoutConversion()
	client, err := rest.RESTClientFor(config)
	return client, "foos", &Foo{}, err
}

// trimmed leaves out what kubewright's caches leave out.
func trimmed(object any) (any, error) {
	if meta, is := object.(metav1.Object); is {
		meta.SetManagedFields(nil)
		annotations := meta.GetAnnotations()
		delete(annotations, corev1.LastAppliedConfigAnnotation)
		if len(annotations) == 0 {
			meta.SetAnnotations(nil)
		}
	}
	return object, nil
}

func store(kind, url string, objects int, trim bool) (figures, error) {
	out := figures{}
	client, resource, example, err := restClient(url, kind)
	if err != nil {
		return nil, err
	}
	memory, used, begun := rss(), cpu(), time.Now()
	watched := cache.NewListWatchFromClient(client, resource, "", fields.Everything())
	informer := cache.NewSharedIndexInformer(watched, example, 0, cache.Indexers{
		cache.NamespaceIndex: cache.MetaNamespaceIndexFunc,
		"shard": func(object any) ([]string, error) {
			return []string{object.(metav1.Object).GetLabels()[label]}, nil
		},
	})
	if trim {
		if err := informer.SetTransform(trimmed); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go informer.RunWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		return nil, fmt.Errorf("the cache did not sync")
	}
	out["sync_s"] = time.Since(begun).Seconds()
	out["sync_cpu_s"] = cpu() - used
	settle()
	out["bytes"] = (rss() - memory) / float64(objects)
	out["peak_mib"] = peak()
	indexer := informer.GetIndexer()
	if held := len(indexer.ListKeys()); held != objects {
		return nil, fmt.Errorf("the cache holds %d of %d", held, objects)
	}
	// In the order of the reads, as keys from a queue are at hand, so that finding the object is what is measured.
	keys := make([]string, objects)
	for at := range keys {
		n := scattered(at, objects)
		keys[at] = objectNamespace(n) + "/" + objectName(n)
	}
	get := func(key string) metav1.Object {
		object, found, err := indexer.GetByKey(key)
		if err != nil || !found {
			fatal(fmt.Errorf("a key of the cache: %s", key))
		}
		return object.(metav1.Object)
	}
	read := int64(0)
	out["get"] = rate(func(at int) { get(keys[at%objects]) })
	out["get_read"] = rate(func(at int) { read += get(keys[at%objects]).GetGeneration() })
	out["get_built"] = rate(func(at int) {
		n := scattered(at, objects)
		get(objectNamespace(n) + "/" + objectName(n))
	})
	out["get_contended"], out["writes_contended"] = contended(
		func(at int) {
			if get(keys[at%objects]).GetGeneration() < 0 {
				fatal(errors.New("a generation below 0"))
			}
		},
		func(at int) {
			object := get(keys[at%objects]).(runtime.Object).DeepCopyObject()
			object.(metav1.Object).SetResourceVersion(strconv.Itoa(at))
			if err := indexer.Update(object); err != nil {
				fatal(err)
			}
		})
	if read == 0 {
		fatal(errors.New("objects without generations"))
	}
	list := func(index, value string) {
		if _, err := indexer.ByIndex(index, value); err != nil {
			fatal(err)
		}
	}
	shards := (objects + perShard - 1) / perShard
	out["index_us"] = 1e6 / rate(func(at int) { list("shard", objectShard(scattered(at, shards)*perShard)) })
	namespaces := (objects + perNamespace - 1) / perNamespace
	out["namespace_us"] = 1e6 / rate(func(at int) {
		list(cache.NamespaceIndex, objectNamespace(scattered(at, namespaces)*perNamespace))
	})
	out["list_ms"] = 1e3 / rate(func(int) { indexer.List() })
	return out, nil
}

func queue(objects int) figures {
	out := figures{}
	keys := make([]cache.ObjectName, objects)
	for n := range keys {
		keys[n] = cache.ObjectName{Namespace: objectNamespace(n), Name: objectName(n)}
	}
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[cache.ObjectName]())
	begun := time.Now()
	for _, key := range keys {
		queue.Add(key)
	}
	added := time.Since(begun)
	for range keys {
		key, _ := queue.Get()
		queue.Done(key)
	}
	all := time.Since(begun)
	out["add"] = float64(objects) / added.Seconds()
	out["get_done"] = float64(objects) / (all - added).Seconds()
	out["all"] = float64(objects) / all.Seconds()
	for _, key := range keys {
		queue.Add(key)
	}
	begun = time.Now()
	for range keys {
		key, _ := queue.Get()
		queue.Done(key)
		queue.Add(key)
	}
	out["steady"] = float64(objects) / time.Since(begun).Seconds()
	return out
}
